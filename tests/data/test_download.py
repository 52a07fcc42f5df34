from __future__ import annotations

import gzip
import io
import socket
import tarfile
from pathlib import Path

import pytest

from scratchconv.data.download import Archive, fetch, unpack_gzip, unpack_tar
from scratchconv.data.progress import DownloadBar
from scratchconv.data.storage import DataError
from tests.data.files import files_in, md5, server

CONTENT = bytes(range(256)) * 2000


def nobody_listens() -> str:
    """An address at which connections are refused at once, as all are on a machine without a network."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def test_downloads_once(tmp_path: Path, web: Path) -> None:
    (web / "a.gz").write_bytes(CONTENT)
    with server(web) as address:
        archive = Archive("a.gz", md5(CONTENT), (address,))
        path = fetch(archive, tmp_path / "deep" / "folder")
        assert path == tmp_path / "deep" / "folder" / "a.gz"
        assert path.read_bytes() == CONTENT
        assert files_in(tmp_path / "deep") == ["folder/a.gz"]
    assert fetch(archive, tmp_path / "deep" / "folder") == path  # the server is gone: this one was there


def test_a_file_with_the_wrong_checksum_is_replaced(tmp_path: Path, web: Path) -> None:
    (web / "a.gz").write_bytes(CONTENT)
    (tmp_path / "a.gz").write_bytes(CONTENT[:-1])
    with server(web) as address:
        fetch(Archive("a.gz", md5(CONTENT), (address,)), tmp_path)
    assert (tmp_path / "a.gz").read_bytes() == CONTENT


def test_the_second_mirror_stands_in(tmp_path: Path, web: Path) -> None:
    (web / "a.gz").write_bytes(CONTENT)
    with server(web) as address:
        fetch(Archive("a.gz", md5(CONTENT), (nobody_listens(), f"{address}not-here/", address)), tmp_path / "out")
    assert files_in(tmp_path / "out") == ["a.gz"]


def test_offline_says_what_was_wanted_where_and_what_to_do(tmp_path: Path, web: Path) -> None:
    mirrors = (nobody_listens(), nobody_listens())
    with pytest.raises(DataError) as caught:
        fetch(Archive("train.gz", md5(CONTENT), mirrors), tmp_path / "MNIST" / "raw")
    text = str(caught.value)
    assert text.startswith(f"train.gz is wanted in {tmp_path}/MNIST/raw, is not there, and could not be downloaded:")
    for part in (*mirrors, "Connection refused", "--data-root", "SCRATCHCONV_DATA", "by hand", "--data digits"):
        assert part in text
    assert "Max retries" not in text  # the wrapping that would hide the reason
    assert files_in(tmp_path) == []


def test_wrong_checksum_leaves_nothing(tmp_path: Path, web: Path) -> None:
    (web / "a.gz").write_bytes(CONTENT + b"!")
    with server(web) as address, pytest.raises(DataError, match="MD5 hash of downloaded file"):
        fetch(Archive("a.gz", md5(CONTENT), (address,)), tmp_path / "out")
    assert files_in(tmp_path / "out") == []


def test_a_line_that_breaks_leaves_nothing(tmp_path: Path, web: Path) -> None:
    (web / "a.gz").write_bytes(CONTENT)
    with server(web, cut_short=True) as address, pytest.raises(DataError, match="could not be downloaded"):
        fetch(Archive("a.gz", md5(CONTENT), (address,)), tmp_path / "out")
    assert files_in(tmp_path / "out") == []


def test_ctrl_c_leaves_nothing(tmp_path: Path, web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (web / "a.gz").write_bytes(CONTENT)
    seen = []

    def interrupt(self: DownloadBar, size: int) -> None:
        seen.extend(files_in(tmp_path / "out"))
        raise KeyboardInterrupt

    monkeypatch.setattr(DownloadBar, "update", interrupt)
    with server(web) as address, pytest.raises(KeyboardInterrupt):
        fetch(Archive("a.gz", md5(CONTENT), (address,)), tmp_path / "out")
    assert len(seen) == 1 and seen[0] != "a.gz"  # half of it was there, under another name
    assert files_in(tmp_path / "out") == []


def test_a_folder_that_cannot_be_made(tmp_path: Path, web: Path) -> None:
    (web / "a.gz").write_bytes(CONTENT)
    (tmp_path / "file").write_bytes(b"")
    with server(web) as address, pytest.raises(DataError, match="file/raw"):
        fetch(Archive("a.gz", md5(CONTENT), (address,)), tmp_path / "file" / "raw")


def test_unpack_gzip(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(CONTENT))
    unpack_gzip(tmp_path / "a.gz")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert files_in(tmp_path) == ["a", "a.gz"]


def test_unpacking_a_damaged_gzip_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(CONTENT)[:-20])
    with pytest.raises(DataError, match=r"a\.gz is damaged.*Delete it"):
        unpack_gzip(tmp_path / "a.gz")
    assert files_in(tmp_path) == ["a.gz"]


def write_tar(path: Path, members: dict[str, bytes | None]) -> None:
    """Write a tar file; a member without content is a symbolic link out of the folder."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                info.size = len(content)
            tar.addfile(info, None if content is None else io.BytesIO(content))


def test_unpack_tar_takes_the_named_files_and_no_others(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar.gz", {"d/one": b"1", "../evil": b"!", "d/two": b"22", "/evil": b"!"})
    unpack_tar(tmp_path / "a.tar.gz", ["d/one", "d/two"], tmp_path / "out")
    assert files_in(tmp_path) == ["a.tar.gz", "out/d/one", "out/d/two"]
    assert (tmp_path / "out" / "d" / "two").read_bytes() == b"22"


@pytest.mark.parametrize("members", [{"d/other": b"1"}, {"d/one": None}], ids=["missing", "link out"])
def test_unpack_tar_without_the_wanted_file(tmp_path: Path, members: dict[str, bytes | None]) -> None:
    write_tar(tmp_path / "a.tar.gz", members)
    with pytest.raises(DataError, match=r"a\.tar\.gz is damaged: .*(d/one|/etc/passwd)"):
        unpack_tar(tmp_path / "a.tar.gz", ["d/one"], tmp_path / "out")
    assert files_in(tmp_path) == ["a.tar.gz"]


def test_unpack_something_that_is_not_a_tar(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"a\.tar\.gz is damaged"):
        unpack_tar(tmp_path / "a.tar.gz", ["one"], tmp_path)

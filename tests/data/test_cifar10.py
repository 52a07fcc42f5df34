from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torchvision

from scratchconv.data import CIFAR10, DataError
from tests.data.files import (
    CIFAR_FILES,
    cifar_batches,
    cifar_binary,
    cifar_pickle,
    files_in,
    server,
    write_cifar_archive,
)

COUNT = 20


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "real_data" not in request.fixturenames:
        monkeypatch.setattr(CIFAR10, "records_per_file", COUNT)


def lay_out(root: Path, pickled: bool = False) -> Path:
    """Write the six files in either form, and return their folder."""
    folder = root / ("cifar-10-batches-py" if pickled else "cifar-10-batches-bin")
    folder.mkdir(parents=True)
    for name, batch in cifar_batches(COUNT).items():
        path, content = (name, cifar_pickle(*batch)) if pickled else (f"{name}.bin", cifar_binary(*batch))
        (folder / path).write_bytes(content)
    return folder


def check_content(data: CIFAR10, train: bool) -> None:
    names = CIFAR_FILES[:5] if train else CIFAR_FILES[5:]
    batches = [cifar_batches(COUNT)[name] for name in names]
    planes = np.concatenate([pixels for pixels, _ in batches]).reshape(-1, 3, 32, 32)
    np.testing.assert_array_equal(data.images, planes.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(data.labels, np.concatenate([labels for _, labels in batches]))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("pickled", [True, False])
def test_reads_both_versions(tmp_path: Path, train: bool, pickled: bool) -> None:
    lay_out(tmp_path, pickled)
    check_content(CIFAR10(tmp_path, train=train, download=True), train)


def test_a_record_written_by_hand(tmp_path: Path) -> None:
    """Label 7; red 1, green 2, blue 3 everywhere, but blue 9 at the end of the first row."""
    blue = bytes([3] * 31 + [9] + [3] * 992)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    (folder / "test_batch.bin").write_bytes((b"\7" + b"\1" * 1024 + b"\2" * 1024 + blue) * COUNT)
    data = CIFAR10(tmp_path, train=False)
    assert data.images[0, 0, 31].tolist() == [1, 2, 9] and data.images[0, 31, 0].tolist() == [1, 2, 3]
    assert data.classes[data.labels[0]] == "horse"


def test_downloads_the_binary_version(tmp_path: Path, web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    with server(web) as address:
        monkeypatch.setattr(CIFAR10, "archive", write_cifar_archive(web, COUNT, address))
        check_content(CIFAR10(root, download=True), train=True)
    check_content(CIFAR10(root, train=False, download=True), train=False)  # the server is gone: all is there
    binaries = [f"cifar-10-batches-bin/{name}.bin" for name in CIFAR_FILES]
    assert files_in(root) == ["cifar-10-batches-bin/batches.meta.txt", *binaries, "cifar-10-binary.tar.gz"]


def test_an_archive_placed_by_hand_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CIFAR10, "archive", write_cifar_archive(tmp_path, COUNT, "http://127.0.0.1:1/"))
    check_content(CIFAR10(tmp_path, download=True), train=True)


def test_a_broken_download_leaves_nothing(tmp_path: Path, web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(web, cut_short=True) as address:
        monkeypatch.setattr(CIFAR10, "archive", write_cifar_archive(web, COUNT, address))
        with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz is wanted in .*root, is not there"):
            CIFAR10(tmp_path / "root", download=True)
    assert files_in(tmp_path / "root") == []


def test_missing_files_say_where_and_what_to_do(tmp_path: Path) -> None:
    (lay_out(tmp_path) / "data_batch_3.bin").unlink()
    with pytest.raises(DataError) as caught:
        CIFAR10(tmp_path)
    for part in (f"{tmp_path}/cifar-10-batches-bin", "data_batch_3.bin", "cifar-10-batches-py", "--data-root"):
        assert part in str(caught.value)
    assert CIFAR10.archive.urls[0] in str(caught.value)
    check_content(CIFAR10(tmp_path, train=False), train=False)  # which needs no file that is missing


@pytest.mark.parametrize("cut", [1, 3073])
def test_a_file_of_the_wrong_size(tmp_path: Path, cut: int) -> None:
    path = lay_out(tmp_path) / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match=rf"data_batch_2\.bin is damaged: {COUNT} records .* has {COUNT * 3073 - cut}"):
        CIFAR10(tmp_path)


def test_a_label_that_is_none(tmp_path: Path) -> None:
    path = lay_out(tmp_path) / "test_batch.bin"
    path.write_bytes(bytes([10]) + path.read_bytes()[1:])
    with pytest.raises(DataError, match=r"test_batch\.bin is damaged: label 10 is not below 10"):
        CIFAR10(tmp_path, train=False)


def test_the_published_archive() -> None:
    """Name, place and checksum are those of https://www.cs.toronto.edu/~kriz/cifar.html."""
    assert CIFAR10.archive.urls == ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"]
    assert CIFAR10.archive.md5 == "c32a1d4ab5d03f1284b67883e8d87530"


@pytest.mark.filterwarnings("ignore:dtype")  # torchvision unpickles dtypes the way NumPy 1 wrote them
@pytest.mark.parametrize("train", [True, False])
def test_the_real_cifar10(real_data: Path, train: bool) -> None:
    data = CIFAR10(real_data, train=train)
    reference = torchvision.datasets.CIFAR10(real_data, train=train)
    n = 50_000 if train else 10_000
    assert data.images.shape == (n, 32, 32, 3) and data.images.flags.c_contiguous
    assert np.bincount(data.labels).tolist() == [n // 10] * 10
    assert np.array_equal(data.images, reference.data)
    assert data.labels.tolist() == reference.targets
    assert list(data.classes) == reference.classes

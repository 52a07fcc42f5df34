"""Downloading archives and unpacking them. A file appears under its own name only when it is whole and checked."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import textwrap
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from scratchconv.data.storage import DataError, remedies

CHUNK_BYTES = 1 << 16


class Archive(NamedTuple):
    """A file to download: its name, its published MD5 checksum, and the places on the web that have it."""

    name: str
    md5: str
    mirrors: tuple[str, ...]

    @property
    def urls(self) -> list[str]:
        """The full addresses, the preferred one first."""
        return [mirror + self.name for mirror in self.mirrors]


def fetch(archive: Archive, folder: Path, by_hand: Sequence[str] = ()) -> Path:
    """Return the path of the archive in ``folder``, downloading it unless it is there with the right checksum.

    The error tells the user to fetch the addresses ``by_hand``, by default that of the archive.

    Raises
    ------
    DataError
        If no mirror delivers it with the right checksum, or the folder cannot be written. No partial file stays behind.
    """
    import pooch  # here, as pooch and rich are slow to import and most processes download nothing

    from scratchconv.data.progress import download_bar

    problems = []
    for url in archive.urls:
        try:
            with download_bar(archive.name) as bar:
                downloader = pooch.HTTPDownloader(progressbar=bar, chunk_size=CHUNK_BYTES)
                return Path(pooch.retrieve(url, f"md5:{archive.md5}", archive.name, folder, downloader=downloader))
        except (OSError, ValueError) as error:  # those of requests are OSErrors, a wrong checksum is a ValueError
            problems.append(f"\n  {url}\n    {_essence(error)}")
    raise DataError(
        f"{archive.name} is wanted in {folder}, is not there, and could not be downloaded:{''.join(problems)}"
        + remedies(folder, by_hand or archive.urls[:1])
    )


def _essence(error: Exception) -> str:
    """Say what went wrong in one line. Connection errors wrap the reason in the history of all attempts."""
    wrapped = error.args[0] if error.args else None
    reason = getattr(wrapped, "reason", None) or error
    return textwrap.shorten(f"{type(reason).__name__}: {reason}", 240)


def unpack_gzip(archive: Path) -> None:
    """Unpack ``name.gz`` to ``name`` beside it.

    Raises
    ------
    DataError
        If the archive is damaged, or the folder cannot be written.
    """
    with named_errors(archive), gzip.open(archive) as source:
        _write_whole(source, archive.with_suffix(""))


def unpack_tar(archive: Path, members: Sequence[str], root: Path) -> None:
    """Unpack the named regular files of a tar archive to the same names under ``root``, and nothing else.

    Raises
    ------
    DataError
        If the archive is damaged or lacks one of them, or the folder cannot be written.
    """
    with named_errors(archive), tarfile.open(archive) as tar:
        for member in members:
            source = tar.extractfile(member)
            if source is None:
                raise KeyError(f"{member} is not a regular file")
            _write_whole(source, root / member)


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Turn what can go wrong while ``path`` is read into a ``DataError`` that names it."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error, tarfile.TarError, KeyError) as error:
        raise DataError(f"{path} is damaged: {error}. Delete it and let it be downloaded again.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read or unpacked: {error}") from error


def _write_whole(source: IO[bytes] | gzip.GzipFile, target: Path) -> None:
    """Copy ``source`` to a temporary file beside ``target``, then give it that name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
        os.chmod(partial, 0o644)  # mkstemp's 0600 would shut out other users of a shared folder
        os.replace(partial, target)
    except BaseException:
        os.unlink(partial)
        raise

"""Builders of small data-set files in their published formats, and the server that tests download them from."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import struct
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scratchconv.data.download import Archive

Bytes = npt.NDArray[np.uint8]

CIFAR_FILES = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]


def idx(array: Bytes) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist_parts(seed: int = 0) -> dict[str, Bytes]:
    """The contents of MNIST's four files: 30 training and 20 test images."""
    rng = np.random.default_rng(seed)
    parts = {}
    for part, n in (("train", 30), ("t10k", 20)):
        parts[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (n, 28, 28), np.uint8)
        parts[f"{part}-labels-idx1-ubyte"] = rng.integers(0, 10, n, np.uint8)
    return parts


def write_mnist_archives(folder: Path, mirror: str) -> tuple[Archive, ...]:
    """Put the four gzipped files into ``folder`` and return them as downloads from ``mirror``."""
    archives = []
    for name, array in mnist_parts().items():
        content = gzip.compress(idx(array))
        (folder / f"{name}.gz").write_bytes(content)
        archives.append(Archive(f"{name}.gz", md5(content), (mirror,)))
    return tuple(archives)


def cifar_batches(count: int, seed: int = 0) -> dict[str, tuple[Bytes, Bytes]]:
    """For each of CIFAR-10's six files its pixels (count, 3072), plane by plane, and its labels (count,)."""
    rng = np.random.default_rng(seed)
    return {
        name: (rng.integers(0, 256, (count, 3072), np.uint8), rng.integers(0, 10, count, np.uint8))
        for name in CIFAR_FILES
    }


def cifar_binary(pixels: Bytes, labels: Bytes) -> bytes:
    return np.column_stack([labels, pixels]).tobytes()


def write_cifar_archive(folder: Path, count: int, mirror: str) -> Archive:
    members = {f"{name}.bin": cifar_binary(*batch) for name, batch in cifar_batches(count).items()}
    members["batches.meta.txt"] = b"airplane\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    (folder / "cifar-10-binary.tar.gz").write_bytes(packed.getvalue())
    return Archive("cifar-10-binary.tar.gz", md5(packed.getvalue()), (mirror,))


def cifar_pickle(pixels: Bytes, labels: Bytes) -> bytes:
    """A batch as Python 2 and an old NumPy pickled it: a dict of a byte array and a list of integers."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"  # _reconstruct(ndarray, (0,), "b")
        + b"(K\x01(J" + struct.pack("<i", len(pixels)) + b"J" + struct.pack("<i", pixels.shape[1]) + b"t"
        + b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89T" + struct.pack("<i", pixels.size) + pixels.tobytes() + b"tb"
    )  # fmt: skip
    numbers = b"(" + b"".join(b"K" + bytes([label]) for label in labels) + b"l"
    return b"\x80\x02(U\x04data" + array + b"U\x06labels" + numbers + b"d."


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@contextmanager
def server(folder: Path, cut_short: bool = False) -> Iterator[str]:
    """Serve ``folder`` on this machine and give the address; ``cut_short`` drops the line after half of each file."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, directory=str(folder), **kwargs)  # type: ignore[arg-type,misc]

        def log_message(self, *args: object) -> None:
            pass

        def copyfile(self, source: io.BufferedReader, outputfile: io.BufferedIOBase) -> None:  # type: ignore[override]
            content = source.read()
            outputfile.write(content[: len(content) // 2] if cut_short else content)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}/"
        finally:
            httpd.shutdown()
            thread.join()


def files_in(folder: Path) -> list[str]:
    """All files below a folder, hidden and temporary ones too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())

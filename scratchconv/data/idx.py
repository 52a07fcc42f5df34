"""Reading IDX files, the format of MNIST.

Two zero bytes, a dtype code (8 means unsigned bytes), the number of axes, the length of each axis as a big-endian
32-bit integer, then the elements, last axis fastest. (Y. LeCun, C. Cortes, C. Burges, "The MNIST database".)
"""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scratchconv.data.download import named_errors
from scratchconv.data.storage import DataError

UNSIGNED_BYTES = 0x08


def read_idx(path: Path, ndim: int) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes with ``ndim`` axes, gzipped if its name ends so.

    Raises
    ------
    DataError
        If the file is not such a file, or is longer or shorter than its header says.
    """
    with named_errors(path):
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    start = 4 + 4 * ndim
    magic = bytes([0, 0, UNSIGNED_BYTES, ndim])
    if len(content) < start or content[:4] != magic:
        raise DataError(
            f"{path} is not an IDX file of unsigned bytes with {ndim} axes: it starts with {content[:4].hex(' ')!r} "
            f"where {magic.hex(' ')!r} belongs. Delete it and let it be downloaded again."
        )
    shape = tuple(np.frombuffer(content, ">u4", ndim, offset=4).tolist())
    if len(content) != start + math.prod(shape):
        raise DataError(
            f"{path} is damaged: its header says {shape}, {start + math.prod(shape)} bytes in all, but it has "
            f"{len(content)}. Delete it and let it be downloaded again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)

"""The one place where results are allocated."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scratchconv.ops._op import Array
from scratchconv.ops._pool import ALIGNMENT, POOL

SMALL = 2048  # bytes: below, finding an aligned start takes longer than it can save
POOLED = 131072  # bytes: from here the C library may return memory to the operating system at once


def empty(shape: Sequence[int], dtype: npt.DTypeLike) -> Array:
    """Return an uninitialised C-contiguous array whose data start on a cache line if it has many.

    The memory of a large one may be that of an earlier result that no array shows any more (``_pool.py``).
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size <= SMALL:
        return np.empty(shape, dtype)
    if size >= POOLED:
        return POOL.empty(shape, dtype)
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def empty_like(x: Array, dtype: npt.DTypeLike | None = None) -> Array:
    """Return an uninitialised array with the shape and the memory order of ``x`` (channels-last stays so)."""
    if x.flags.c_contiguous:
        return empty(x.shape, dtype or x.dtype)
    order = sorted(range(x.ndim), key=lambda axis: (-abs(x.strides[axis]), axis))
    inverse = sorted(range(x.ndim), key=order.__getitem__)
    return empty([x.shape[axis] for axis in order], dtype or x.dtype).transpose(inverse)

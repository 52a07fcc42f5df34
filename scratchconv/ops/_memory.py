"""The one place where results are allocated."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

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


def memory_of(array: Array) -> Any:
    """Return the object that holds the memory of ``array``; what ``as_strided`` puts between has a base, too."""
    holder: Any = array
    while (base := getattr(holder, "base", None)) is not None:
        holder = base
    return holder


def empty_like(x: Array, dtype: npt.DTypeLike | None = None) -> Array:
    """Return an uninitialised array with the shape and the memory order of ``x`` (channels-last stays so)."""
    if x.flags.c_contiguous:
        return empty(x.shape, dtype or x.dtype)
    shape, inverse = _memory_order(x.shape, x.strides)
    return empty(shape, dtype or x.dtype).transpose(inverse)


def lie_alike(x: Array, y: Array) -> bool:
    """Whether two arrays of one shape have their elements in the same order and as far apart.

    The stride of an axis of one element says nothing.
    """
    if x.strides == y.strides:
        return True
    return all(n == 1 or step == other for n, step, other in zip(x.shape, x.strides, y.strides, strict=True))


@functools.lru_cache(maxsize=4096)
def _memory_order(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the sizes of the axes from slowest to fastest, and the permutation that undoes that order."""
    order = sorted(range(len(shape)), key=lambda axis: (-abs(strides[axis]), axis))
    return tuple(shape[axis] for axis in order), tuple(sorted(range(len(shape)), key=order.__getitem__))

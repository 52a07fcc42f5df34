"""Copies and fills by whole vectors, and scratch that begins on a cache line, for kernels."""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._jit import helper, inner


@inner
def copy(source, i, target, o, n):
    """target[o : o+n] = source[i : i+n]; the tail is one last vector that overlaps the one before."""
    lanes = simd.lanes_of(source)
    if n < lanes:
        simd.store_partial(target, o, simd.load_partial(source, i, n), n)
        return
    for k in range(0, n - lanes + 1, lanes):
        simd.store(target, o + k, simd.load(source, i + k))
    simd.store(target, o + n - lanes, simd.load(source, i + n - lanes))


@inner
def fill_zero(target, o, n):
    """target[o : o+n] = 0."""
    lanes = simd.lanes_of(target)
    zero = simd.splat(target, 0)
    if n < lanes:
        simd.store_partial(target, o, zero, n)
        return
    for k in range(0, n - lanes + 1, lanes):
        simd.store(target, o + k, zero)
    simd.store(target, o + n - lanes, zero)


@helper
def aligned_empty(like, size):
    """Return scratch of the dtype of ``like`` and the offset in it where ``size`` elements begin on a cache line."""
    scratch = np.empty(size + 16, like.dtype)
    return scratch, -(scratch.ctypes.data // like.itemsize) % (64 // like.itemsize)

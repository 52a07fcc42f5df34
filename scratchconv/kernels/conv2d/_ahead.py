"""Fetching memory ahead of its use, a few lines at a time between products, so that no one waits for it.

A work item reads its source all at once; while it multiplies, the memory would be idle. Each product asks for a share
of what the next item reads and of what this item writes.
"""

from __future__ import annotations

from typing import NamedTuple

from scratchconv import simd
from scratchconv.kernels._jit import helper, inner
from scratchconv.kernels.conv2d._block import images_of, result_offset, result_rows_of
from scratchconv.kernels.conv2d._finish import EXTRA, MASK, MASK_AFFINE, SECOND, SUMS
from scratchconv.kernels.conv2d._source import GRADIENT, POOLED, SKIP, SKIP_AFFINE, STORE


class Stretch(NamedTuple):
    """Elements start..stop-1 of an array, ``step`` a share (whole cache lines)."""

    start: int
    stop: int
    step: int


@inner
def _stretch(start, count, shares, line):
    lines = (count + line - 1) // line
    return Stretch(start, start + count, (lines + shares - 1) // shares * line)


@inner
def source_stretch(s, g, item, shares):
    """What work item ``item`` reads of each array of source ``s``."""
    rows = g.images * g.source_h if g.strips == 1 else g.rows * g.step
    first = item // g.strips * g.images * g.source_h + item % g.strips * g.rows * g.step
    pixels = g.source_w * g.channels
    return _stretch(first * pixels, rows * pixels, shares, 64 // s.first.itemsize)


@inner
def result_stretch(y, g, item, shares):
    """What work item ``item`` writes."""
    count = images_of(g, item) * result_rows_of(g, item) * g.result_w * g.results
    return _stretch(result_offset(g, item), count, shares, 64 // y.itemsize)


@inner
def fetch_source(s, stretch, share):
    """Ask for share ``share`` of ``stretch`` of the arrays of source ``s``."""
    begin = stretch.start + share * stretch.step
    end = min(begin + stretch.step, stretch.stop)
    line = 64 // s.first.itemsize
    if s.kind & POOLED == 0:
        for i in range(begin, end, line):
            simd.prefetch(s.first, i)
    if s.kind & (SKIP | SKIP_AFFINE | GRADIENT):
        for i in range(begin, end, line):
            simd.prefetch(s.second, i)
    if s.kind & STORE:
        for i in range(begin, end, line):
            simd.prefetch_write(s.third, i)


@inner
def fetch_result(y, stretch, share):
    """Ask for share ``share`` of ``stretch`` of ``y``, which is going to be written."""
    begin = stretch.start + share * stretch.step
    for i in range(begin, min(begin + stretch.step, stretch.stop), 64 // y.itemsize):
        simd.prefetch_write(y, i)


@inner
def fetch_finish(f, stretch, share):
    """Ask for share ``share`` of ``stretch`` of what finishing the results reads beside them (see _finish, RECEIVE)."""
    begin = stretch.start + share * stretch.step
    end, line = min(begin + stretch.step, stretch.stop), 64 // f.z.itemsize
    if f.kind & (SUMS | MASK_AFFINE):
        for i in range(begin, end, line):
            simd.prefetch(f.z, i)
    if f.kind & MASK:
        for i in range(begin, end, line):
            simd.prefetch(f.a, i)
    if f.kind & EXTRA:
        for i in range(begin, end, line):
            simd.prefetch(f.extra, i)
    if f.kind & SECOND:
        for i in range(begin, end, line):
            simd.prefetch(f.z2, i)


# The functions above take sources and finishes as they are: some hundred numbers, which a short tile notices. Those
# below write down once a work item where the stretches are, and then need no more than this list and the scratch.

STREAMS = 12  # stretches that a list has room for


@helper
def _append(ahead, k, s, x, stretch):
    """Write down ``stretch`` of ``x``, if there is any, as the k-th of the list: as offsets from ``s``."""
    if x.size == 0 or stretch.start >= stretch.stop:
        return k
    away = (x.ctypes.data - s.ctypes.data) // s.itemsize
    ahead[3 * k], ahead[3 * k + 1], ahead[3 * k + 2] = stretch.start + away, stretch.stop + away, stretch.step
    return k + 1


@helper
def list_source(ahead, k, s, source, stretch):
    """Add what a work item reads of ``source`` to the list, which has k stretches; return how many it has then."""
    if source.kind & POOLED == 0:
        k = _append(ahead, k, s, source.first, stretch)
    if source.kind & (SKIP | SKIP_AFFINE | GRADIENT):
        k = _append(ahead, k, s, source.second, stretch)
    if source.kind & STORE:
        k = _append(ahead, k, s, source.third, stretch)
    return k


@helper
def list_finish(ahead, k, s, f, stretch):
    """Add what finishing results reads beside them, likewise."""
    if f.kind & (SUMS | MASK_AFFINE):
        k = _append(ahead, k, s, f.z, stretch)
    if f.kind & MASK:
        k = _append(ahead, k, s, f.a, stretch)
    if f.kind & EXTRA:
        k = _append(ahead, k, s, f.extra, stretch)
    if f.kind & SECOND:
        k = _append(ahead, k, s, f.z2, stretch)
    return k


@inner
def turn(ahead, count, share):
    """First and last element of one share of one of the ``count`` stretches of the list: they take turns."""
    if count == 0:
        return 0, 0
    k, part = share % count * 3, share // count
    begin, step = ahead[k] + part * ahead[k + 2] * count, ahead[k + 2] * count
    last = min(begin + step, ahead[k + 1]) - 1
    return min(begin, last), last

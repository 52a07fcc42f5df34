"""Fetching memory ahead of its use, a few lines at a time between products, so that no one waits for it.

A work item reads its source all at once; while it multiplies, the memory would be idle. Each product asks for a share
of what the next item reads and of what this item writes.
"""

from __future__ import annotations

from typing import NamedTuple

from scratchconv import simd
from scratchconv.kernels._jit import inner
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


# ---------------------------------------------------------------- the same by address

ERRANDS = 24  # numbers of a list: three for each stretch of memory, and how many there are


@inner
def start_list(errands):
    """Empty the list ``errands`` (ERRANDS integers): begin, end and step in bytes of each stretch to ask for."""
    errands[0] = 1


@inner
def _enlist(errands, x, start, stop, shares):
    """Add x[start : stop], a share of it at a time."""
    begin, end, at = simd.address_of(x, start), simd.address_of(x, stop), errands[0]
    lines = (end - begin + 63) // 64
    errands[at], errands[at + 1], errands[at + 2] = begin, end, (lines + shares - 1) // shares * 64
    errands[0] = at + 3


@inner
def list_source(errands, s, g, item, shares):
    """Add what work item ``item`` reads of source ``s``."""
    reads = source_stretch(s, g, item, shares)
    if s.kind & POOLED == 0:
        _enlist(errands, s.first, reads.start, reads.stop, shares)
    if s.kind & (SKIP | SKIP_AFFINE | GRADIENT):
        _enlist(errands, s.second, reads.start, reads.stop, shares)


@inner
def list_finish(errands, f, y, g, item, shares):
    """Add what finishing the results of work item ``item`` reads beside them."""
    results = result_stretch(y, g, item, shares)
    if f.kind & (SUMS | MASK_AFFINE):
        _enlist(errands, f.z, results.start, results.stop, shares)
    if f.kind & MASK:
        _enlist(errands, f.a, results.start, results.stop, shares)
    if f.kind & EXTRA:
        _enlist(errands, f.extra, results.start, results.stop, shares)
    if f.kind & SECOND:
        _enlist(errands, f.z2, results.start, results.stop, shares)


@inner
def fetch(errands, share):
    """Ask for share ``share`` of every stretch of the list."""
    for k in range(1, errands[0], 3):
        begin = errands[k] + share * errands[k + 2]
        for address in range(begin, min(begin + errands[k + 2], errands[k + 1]), 64):
            simd.prefetch_at(address)

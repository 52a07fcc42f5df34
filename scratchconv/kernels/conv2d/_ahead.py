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


# A burst of prefetches is mostly lost: the core keeps track of a few dozen lines on their way, and each of them takes
# as long as some hundred multiply-adds. So the functions below hand out single lines, one for each step of a kernel's
# innermost loop, from a list of stretches that is written once a work item.

CURSOR, END, PACE, FIRST = 0, 1, 2, 3  # of a list: the stretch in use, the end, lines a step, the first stretch
LIST = FIRST + 2 * 10  # elements of a list: room for nine stretches, start and stop of each, and one that is empty
_UNIT = 1024  # PACE counts lines in 1024 steps


@helper
def _append(ahead, s, x, stretch):
    """Write down ``stretch`` of ``x``, if there is any, as offsets from ``s``."""
    if x.size > 0 and stretch.start < stretch.stop:
        away = (x.ctypes.data - s.ctypes.data) // s.itemsize
        ahead[ahead[END]], ahead[ahead[END] + 1] = stretch.start + away, stretch.stop + away
        ahead[END] += 2


@helper
def begin_list(ahead):
    """Empty the list."""
    ahead[CURSOR], ahead[END] = FIRST, FIRST


@helper
def list_source(ahead, s, source, stretch):
    """Add what a work item reads of ``source``."""
    if source.kind & POOLED:  # first and third have a pixel for each window of 2x2
        windows = Stretch(_windows_before(source, stretch.start), _windows_before(source, stretch.stop), 0)
        _append(ahead, s, source.first, windows)
        _append(ahead, s, source.third, windows)
    else:
        _append(ahead, s, source.first, stretch)
    if source.kind & (SKIP | SKIP_AFFINE | GRADIENT):
        _append(ahead, s, source.second, stretch)


@inner
def _windows_before(s, i):
    """Where the windows of the image row that begins at element ``i`` of ``second`` lie in ``first`` and ``third``."""
    row = i // (s.columns * s.channels)
    window_row = row // s.rows * (s.rows // 2) + row % s.rows // 2
    return window_row * (s.columns // 2) * s.channels


@helper
def list_finish(ahead, s, f, stretch, known):
    """Add what finishing results reads beside them, but not the array ``known``, which is in cache already."""
    if f.kind & (SUMS | MASK_AFFINE) and f.z.ctypes.data != known.ctypes.data:
        _append(ahead, s, f.z, stretch)
    if f.kind & MASK and f.a.ctypes.data != known.ctypes.data:
        _append(ahead, s, f.a, stretch)
    if f.kind & EXTRA:
        _append(ahead, s, f.extra, stretch)
    if f.kind & SECOND:
        _append(ahead, s, f.z2, stretch)


@inner
def end_list(ahead, s, steps):
    """Close the list, which is to be fetched in ``steps`` steps."""
    lines, line = 0, 64 // s.itemsize
    for k in range(FIRST, ahead[END], 2):
        lines += (ahead[k + 1] - ahead[k] + line - 1) // line
    ahead[ahead[END]], ahead[ahead[END] + 1] = 0, 1
    ahead[PACE] = lines * _UNIT // max(1, steps) + 1


@inner
def take(ahead, s, steps):
    """First and last element of what to fetch in the next ``steps`` steps: a line in each, the last one again."""
    k, line = ahead[CURSOR], 64 // s.itemsize
    begin, stop = ahead[k], ahead[k + 1]
    end = begin + min(steps, steps * ahead[PACE] // _UNIT + 1) * line
    if k < ahead[END]:
        ahead[k] = end
        if end >= stop:
            ahead[CURSOR] = k + 2
    return begin, min(end, stop) - 1

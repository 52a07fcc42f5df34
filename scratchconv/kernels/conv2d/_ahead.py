"""Fetching memory ahead of its use, so that no one waits for it.

A work item reads its source all at once; while it multiplies, the memory would be idle. So a list is written for each
item: what its end writes and reads, and what the next item reads. A burst of prefetches is mostly lost, since the core
keeps track of a few dozen lines on their way, and each of them takes as long as some hundred multiply-adds. ``take``
therefore hands out single lines, one for each step of a kernel's innermost loop.
"""

from __future__ import annotations

from typing import NamedTuple

from scratchconv import simd
from scratchconv.kernels._jit import inner
from scratchconv.kernels.conv2d._block import images_of, result_offset, result_rows_of
from scratchconv.kernels.conv2d._finish import EXTRA, MASK, MASK_AFFINE, SECOND, SUMS
from scratchconv.kernels.conv2d._source import GRADIENT, POOLED, SKIP, SKIP_AFFINE

CURSOR, END, PACE, LINE, FIRST = 0, 1, 2, 3, 4  # of a list: stretch in use, end, lines a step, a line, first stretch
LIST = FIRST + 2 * 11  # elements of a list: room for ten stretches, start and stop of each, and one that is empty
TURN = 64  # steps that ``fetch`` takes at once, if it is not told
_UNIT = 1024  # PACE counts lines in 1024 steps


class Stretch(NamedTuple):
    """Elements start..stop-1 of an array."""

    start: int
    stop: int


@inner
def source_stretch(g, item):
    """What work item ``item`` reads of each array of its source."""
    rows = g.images * g.source_h if g.strips == 1 else g.rows * g.step
    first = item // g.strips * g.images * g.source_h + item % g.strips * g.rows * g.step
    line = g.source_w * g.channels
    return Stretch(first * line, (first + rows) * line)


@inner
def result_stretch(g, item):
    """What work item ``item`` writes."""
    start = result_offset(g, item)
    return Stretch(start, start + images_of(g, item) * result_rows_of(g, item) * g.result_w * g.results)


@inner
def begin_list(ahead):
    """Empty the list."""
    ahead[CURSOR], ahead[END] = FIRST, FIRST


@inner
def _append(ahead, s, x, stretch):
    """Write down ``stretch`` of ``x``, if there is any, as offsets from ``s``."""
    if x.size > 0 and stretch.start < stretch.stop:
        away = (simd.address_of(x) - simd.address_of(s)) // s.itemsize
        ahead[ahead[END]], ahead[ahead[END] + 1] = stretch.start + away, stretch.stop + away
        ahead[END] += 2


@inner
def list_arrays(ahead, s, source, stretch):
    """Add ``stretch`` of the arrays of ``source``."""
    if source.kind & POOLED:  # first and third have a pixel for each window of 2x2
        windows = Stretch(_windows_before(source, stretch.start), _windows_before(source, stretch.stop))
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


@inner
def list_source(ahead, s, source, g, item):
    """Add what work item ``item`` reads of ``source``."""
    list_arrays(ahead, s, source, source_stretch(g, item))


@inner
def list_finish(ahead, s, f, y, g, item, source):
    """Add where the results of a work item go in ``y``, unless past the caches, and what finishing them reads.

    All but the first array of ``source``, which the item has read: it has just come.
    """
    stretch = result_stretch(g, item)
    if not f.streams:
        _append(ahead, s, y, stretch)
    list_received(ahead, s, f, stretch, source.first)


@inner
def list_received(ahead, s, f, stretch, x):
    """Add what RECEIVE reads of its arrays, all but ``x``."""
    if f.kind & (SUMS | MASK_AFFINE) and simd.address_of(f.z) != simd.address_of(x):
        _append(ahead, s, f.z, stretch)
    if f.kind & MASK and simd.address_of(f.a) != simd.address_of(x):
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
    ahead[PACE], ahead[LINE] = lines * _UNIT // max(1, steps) + 1, line


@inner
def take(ahead, steps):
    """First and last element of what to fetch in the next ``steps`` steps: a line in each, the last one again."""
    k, line = ahead[CURSOR], ahead[LINE]
    begin, stop = ahead[k], ahead[k + 1]
    end = begin + min(steps, steps * ahead[PACE] // _UNIT + 1) * line
    if k < ahead[END]:
        ahead[k] = end
        if end >= stop:
            ahead[CURSOR] = k + 2
    return begin, min(end, stop) - 1


@inner
def fetch(ahead, s, steps=TURN):
    """Ask for the lines of the next ``steps`` steps at once: for loops that do much between their steps."""
    begin, last = take(ahead, steps)
    for i in range(begin, last + 1, ahead[LINE]):
        simd.prefetch(s, i)


@inner
def fetch_rest(ahead, s, lines):
    """Ask for some ``lines`` beside those of the steps, if these are too few: they ask for one at a time."""
    if ahead[PACE] > _UNIT:
        fetch(ahead, s, lines)

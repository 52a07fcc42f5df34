"""What the direct kernels need to know of a geometry, worked out once per shape in plain Python.

Forward convolution and input gradient are one computation. A *source* (x or dy) is read at pixel
``i * step + shift(tap)``, a *result* (y or dx) is written at ``i * spread + phase``:

=================  ======  ========  =====================================================
direction          step    spread    phases
=================  ======  ========  =====================================================
forward            stride  1         one, with every tap at shift u*dilation - padding
input gradient     1       stride    stride², phase a has the taps with (a+p-u*d) % s == 0,
                                     at shift (a+p-u*d) / s
=================  ======  ========  =====================================================

(The second row is the sub-pixel form of the transposed convolution: Shi et al., arXiv:1609.07009.)

Neighbouring taps of a kernel row lie side by side in memory, so the pair (tap column, channel) is walked as one *run*.
A tile is any ``rows`` result pixels: two tables say where each pixel starts in the source and in the result, so no
shape of image wastes part of a tile.
"""

from __future__ import annotations

import functools
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np

from scratchconv import simd

# (rows, vecs) of the tile menu and its share of the FMA peak, by number of vector registers. The tile, its weight
# vectors and one broadcast must fit the registers; at least 8 accumulators hide the latency of an FMA.
_MENU = {16: ((6, 2, 1.0), (4, 3, 0.97), (12, 1, 0.85)), 32: ((14, 2, 1.0), (8, 3, 0.97), (14, 1, 0.88))}


class Direction(NamedTuple):
    """One dimension of a geometry, seen from the result: sizes, taps, step, spread and the taps of each phase."""

    source: int
    result: int
    taps: int
    step: int
    spread: int
    phases: tuple[tuple[tuple[int, int], ...], ...]  # phase -> ((shift, tap), ...) by ascending shift

    @property
    def low(self) -> int:
        """Smallest shift of all taps: where the padded source begins."""
        return min((shift for taps in self.phases for shift, _ in taps), default=0)

    @property
    def high(self) -> int:
        """Largest shift of all taps."""
        return max((shift for taps in self.phases for shift, _ in taps), default=0)

    @property
    def positions(self) -> int:
        """Result pixels of the longest phase."""
        return -(-self.result // self.spread)

    def count(self, phase: int) -> int:
        """Result pixels of one phase."""
        return max(0, -(-(self.result - phase) // self.spread))

    def reach(self, phase: int) -> np.ndarray:
        """The first tap that lies inside the source, and that behind the last, at each position of a phase."""
        shifts, start = [shift for shift, _ in self.phases[phase]], self.step * np.arange(self.count(phase))
        return np.stack([np.searchsorted(shifts, -start), np.searchsorted(shifts, self.source - start)])


@functools.lru_cache(maxsize=512)
def forward_direction(size: int, out: int, taps: int, stride: int, padding: int, dilation: int) -> Direction:
    """A dimension of y from x."""
    return Direction(size, out, taps, stride, 1, (tuple((u * dilation - padding, u) for u in range(taps)),))


@functools.lru_cache(maxsize=512)
def input_grad_direction(size: int, out: int, taps: int, stride: int, padding: int, dilation: int) -> Direction:
    """A dimension of dx from dy."""
    phases = []
    for a in range(min(stride, size)):  # further phases have no pixel
        feeding = [u for u in range(taps) if (a + padding - u * dilation) % stride == 0]
        phases.append(tuple(sorted(((a + padding - u * dilation) // stride, u) for u in feeding)))
    return Direction(out, size, taps, 1, stride, tuple(phases))


@functools.lru_cache(maxsize=512)
def choose_tile(width: int, dtype: np.dtype) -> simd.TileShape:
    """The tile that computes ``width`` result channels in the least time, panel padding counted."""
    lanes = simd.lanes(dtype)

    def cost(entry: tuple[int, int, float]) -> float:
        _, vecs, efficiency = entry
        return -(-width // (vecs * lanes)) * vecs * lanes / efficiency

    rows, vecs, _ = min(_MENU[simd.vector_registers()], key=cost)
    return simd.TileShape(rows, vecs, dtype)


class Limits(NamedTuple):
    """How large a work item may be."""

    block_bytes: int  # its source block
    join: int  # small images are joined while their result pixels stay within this number
    pixels: int  # result pixels of a strip, at least one row
    copy: bool = False  # copy the source even where no tap leaves the image


class Strip(NamedTuple):
    """How the work is cut: ``images`` whole images, or ``rows`` rows of one image, and its padded source block."""

    images: int  # images in a work item
    rows: int  # result rows (of the longest phase) in a work item
    copied: bool  # whether the source is copied into a zero-padded block first
    height: int  # source rows of a block
    width: int  # source columns of a block
    pixel: int  # elements between neighbouring source pixels


@functools.lru_cache(maxsize=512)
def cut(row: Direction, column: Direction, batch: int, channels: int, itemsize: int, limits: Limits) -> Strip:
    """Choose the largest work items within ``limits``."""
    inside = row.low >= 0 and (row.positions - 1) * row.step + row.high < row.source
    inside = inside and column.low >= 0 and (column.positions - 1) * column.step + column.high < column.source
    copied = limits.copy or not inside
    # Pixels that lie a multiple of four cache lines apart would compete for few of the sets of L1.
    pixel = channels + (64 // itemsize if copied and column.step * channels * itemsize % 256 == 0 else 0)
    width = (column.positions - 1) * column.step + column.high - column.low + 1 if copied else column.source

    def block_bytes(rows: int) -> int:
        return ((rows - 1) * row.step + row.high - row.low + 1) * width * pixel * itemsize

    rows = row.positions
    while rows > 2 and (rows * column.positions > limits.pixels or block_bytes(rows) > limits.block_bytes):
        rows -= 1
    rows = -(-row.positions // -(-row.positions // rows))  # strips of nearly equal height,
    if rows < row.positions:
        rows += rows % 2  # an even one, so that no window of a 2x2 pooling is cut
    images = 1
    if rows == row.positions:
        images = max(1, min(batch, limits.join // (rows * column.positions), limits.block_bytes // block_bytes(rows)))
    height = (rows - 1) * row.step + row.high - row.low + 1 if copied else row.source
    return Strip(images, rows, copied, height, width, pixel)


class Plan(NamedTuple):
    """Tables of one direction, for kernels.

    ``pieces[variant, phase]`` = first pixel, pixels, first run, last run, column taps, weights row, joined.
    Variant 1 is the last, possibly smaller, work item of a batch (or strip of an image); variant 0 all others.
    The taps of a row are ``joined`` if each begins where the one before ends, channels included.
    """

    source: np.ndarray  # flat offset of each result pixel's first source pixel within a block
    result: np.ndarray  # flat offset of each result pixel among the work item's results
    pieces: np.ndarray  # (2, phases, 7)
    runs: np.ndarray  # flat offset of each tap from the pixel's first source pixel
    taps: np.ndarray  # tap number u*KW+v of each run, phase after phase: the order of the packed weights
    lines: np.ndarray  # (pixels, 2): first and last row (in its phase) of the tile that begins with a pixel
    columns: np.ndarray  # (pixels, 2): first column tap inside the source for some pixel of it, and behind the last
    shifts: np.ndarray  # how many source rows each run lies from its result row's first


@functools.lru_cache(maxsize=512)
def plan(row: Direction, column: Direction, strip: Strip, batch: int, group: int, results: int, rows: int) -> Plan:
    """Work out all tables: ``group`` source channels a group, ``results`` channels a result pixel, ``rows`` a tile."""
    pitch = strip.width * strip.pixel
    top, left = (row.low, column.low) if strip.copied else (0, 0)
    positions: list[tuple[np.ndarray, ...]] = []
    runs: list[int] = []
    shifts: list[int] = []
    taps: list[int] = []
    pieces = np.zeros((2, len(row.phases) * len(column.phases), 7), np.int64)
    for phase, (a, b) in enumerate(product(range(len(row.phases)), range(len(column.phases)))):
        row_taps, column_taps = row.phases[a], column.phases[b]
        adjacent = all(next_one[0] == one[0] + 1 for one, next_one in pairwise(column_taps))
        first_run, joined = len(runs), group == strip.pixel and adjacent
        for (shift, u), (across, v) in product(row_taps, column_taps):
            shifts.append(shift)
            runs.append((shift - top) * pitch + (across - left) * strip.pixel)
            taps.append(u * column.taps + v)
        for variant, (images, high, missing) in enumerate(_variants(strip, row, batch)):
            counts = images, max(0, high - missing[a]), column.count(b)
            n, i, j = _pixels(counts, row.reach(a) if strip.rows == row.positions else None, column.reach(b))
            first = sum(table.size for table, *_ in positions)
            pieces[variant, phase] = first, n.size, first_run, len(runs), len(column_taps), first_run * group, joined
            source = n * strip.height * pitch + i * row.step * pitch + j * column.step * strip.pixel
            pixel = (n * row.result + i * row.spread + a) * column.result + j * column.spread + b
            # The last tile of a piece may be short of pixels: it computes the last one again.
            fill = (0, rows if n.size else 0)
            tables = (source, pixel * results, i, *column.reach(b)[:, j])
            positions.append(tuple(np.pad(table, fill, "edge") for table in tables))
    joined_tables = (np.concatenate(tables).astype(np.int64) for tables in zip(*positions, strict=True))
    source, result, lines, begin, end = joined_tables
    spans = _spans(lines, lines, rows), _spans(begin, end, rows)
    runs_table, taps_table, shifts_table = (np.array(table, np.int64) for table in (runs, taps, shifts))
    return Plan(source, result, pieces, runs_table, taps_table, *spans, shifts_table)


def _pixels(counts: tuple[int, int, int], rows: np.ndarray | None, columns: np.ndarray) -> np.ndarray:
    """Image, row and column of all pixels; those with the same taps inside the source follow each other.

    ``rows`` and ``columns`` tell the taps (see reach). A strip does not know which of its rows leave the image.
    """
    n, i, j = np.indices(counts).reshape(3, -1)
    keys = (*columns[::-1, j], *(rows[::-1, i] if rows is not None else ()))
    order = np.lexsort(keys)
    return np.stack([n[order], i[order], j[order]])


def _spans(first: np.ndarray, last: np.ndarray, rows: int) -> np.ndarray:
    """Smallest ``first`` and largest ``last`` of ``rows`` neighbours, from each one on."""
    if not first.size:
        return np.zeros((0, 2), np.int64)
    tiles = [np.lib.stride_tricks.sliding_window_view(np.pad(x, (0, rows - 1), "edge"), rows) for x in (first, last)]
    return np.stack([tiles[0].min(1), tiles[1].max(1)], 1)


def _variants(strip: Strip, row: Direction, batch: int) -> list[tuple[int, int, list[int]]]:
    """Images, rows, and rows each phase lacks at an image's bottom: of an ordinary and of the last work item."""
    missing = [row.positions - row.count(a) for a in range(len(row.phases))]
    if strip.rows < row.positions:
        last_rows = row.positions - (row.positions - 1) // strip.rows * strip.rows
        return [(1, strip.rows, [0] * len(missing)), (1, last_rows, missing)]
    last_images = batch - (batch - 1) // strip.images * strip.images if batch else 0
    return [(strip.images, strip.rows, missing), (last_images, strip.rows, missing)]

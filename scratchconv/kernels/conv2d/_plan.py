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
_MENU = {16: ((6, 2, 1.0), (4, 3, 0.97), (12, 1, 0.85)), 32: ((14, 2, 1.0), (8, 3, 0.97), (28, 1, 0.85))}


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

    def reach(self, phase: int, positions: int) -> np.ndarray:
        """The first tap that lies inside the source, and that behind the last, at each position of a phase."""
        shifts, start = [shift for shift, _ in self.phases[phase]], self.step * np.arange(positions)
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
    in_place: bool = False  # else read it in place even where taps do: the kernel leaves them out


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
    copied = limits.copy or not (inside or limits.in_place)
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

    ``pieces[variant, phase]`` = first tile, last tile, first run, row taps, column taps, joined.
    Variant 1 is the last, possibly smaller, work item of a batch (or strip of an image); variant 0 all others.
    The taps of a row are ``joined`` if each begins where the one before ends, channels included.
    """

    source: np.ndarray  # flat offset of each result pixel's first source pixel within a block, tile after tile
    result: np.ndarray  # flat offset of each result pixel among the work item's results
    pieces: np.ndarray  # (2, phases, 6)
    windows: np.ndarray  # (strips, tiles, 4): from which row tap to which, and column tap, some pixel has taps inside
    runs: np.ndarray  # flat offset of each tap from the pixel's first source pixel
    taps: np.ndarray  # tap number u*KW+v of each run, phase after phase: the order of the packed weights


@functools.lru_cache(maxsize=512)
def plan(row: Direction, column: Direction, strip: Strip, batch: int, group: int, results: int, rows: int) -> Plan:
    """Work out all tables: ``group`` source channels a group, ``results`` channels a result pixel, ``rows`` a tile."""
    pitch, strips = strip.width * strip.pixel, -(-row.positions // strip.rows)
    top, left = (row.low, column.low) if strip.copied else (0, 0)
    pieces = np.zeros((2, len(row.phases) * len(column.phases), 6), np.int64)
    tiles: list[tuple[np.ndarray, ...]] = []
    runs: list[tuple[int, int]] = []
    for phase, (a, b) in enumerate(product(range(len(row.phases)), range(len(column.phases)))):
        row_taps, column_taps = row.phases[a], column.phases[b]
        joined = group == strip.pixel and all(after[0] == before[0] + 1 for before, after in pairwise(column_taps))
        walk = len(runs), len(row_taps), len(column_taps), joined
        for (down, u), (across, v) in product(row_taps, column_taps):
            runs.append(((down - top) * pitch + (across - left) * strip.pixel, u * column.taps + v))
        row_reach = row.reach(a, strips * strip.rows).reshape(2, strips, strip.rows)
        column_reach = column.reach(b, column.count(b))
        for variant, (images, high, missing) in enumerate(_variants(strip, row, batch)):
            counts = images, max(0, high - missing[a]), column.count(b)
            n, i, j = _tiles(counts, row_reach[:, 0] if strips == 1 else None, column_reach, rows)
            source = n * strip.height * pitch + i * row.step * pitch + j * column.step * strip.pixel
            pixel = (n * row.result + i * row.spread + a) * column.result + j * column.spread + b
            first = sum(len(tile) for tile, *_ in tiles)
            pieces[variant, phase] = first, first + len(n), *walk
            inside = (*_union(row_reach[:, :, i]), *_union(np.tile(column_reach[:, None, j], (1, strips, 1, 1))))
            tiles.append((source, pixel * results, np.stack(inside, 2).swapaxes(0, 1)))
    source, result, windows = (np.concatenate(tables).astype(np.int64) for tables in zip(*tiles, strict=True))
    offsets, taps = np.array(runs, np.int64).reshape(-1, 2).T.copy()
    return Plan(source.ravel(), result.ravel(), pieces, windows.swapaxes(0, 1).copy(), offsets, taps)


def _tiles(counts: tuple[int, int, int], rows: np.ndarray | None, columns: np.ndarray, size: int) -> np.ndarray:
    """Image, row and column of all pixels, in tiles; those with the same taps inside the source follow each other.

    ``rows`` and ``columns`` tell the taps (see reach). In a strip the columns alone count, for any strip may have the
    tile. The last tile may be short of pixels: it has the last one again.
    """
    n, i, j = np.indices(counts).reshape(3, -1)
    order = np.lexsort((*columns[::-1, j], *(() if rows is None else rows[::-1, i])))
    pixels = np.stack([n[order], i[order], j[order]])
    return np.pad(pixels, ((0, 0), (0, -n.size % size)), "edge").reshape(3, -1, size)


def _union(reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From which tap to which the pixels (the last axis) of each tile reach."""
    return reach[0].min(-1), reach[1].max(-1)


def _variants(strip: Strip, row: Direction, batch: int) -> list[tuple[int, int, list[int]]]:
    """Images, rows, and rows each phase lacks at an image's bottom: of an ordinary and of the last work item."""
    missing = [row.positions - row.count(a) for a in range(len(row.phases))]
    if strip.rows < row.positions:
        last_rows = row.positions - (row.positions - 1) // strip.rows * strip.rows
        return [(1, strip.rows, [0] * len(missing)), (1, last_rows, missing)]
    last_images = batch - (batch - 1) // strip.images * strip.images if batch else 0
    return [(strip.images, strip.rows, missing), (last_images, strip.rows, missing)]

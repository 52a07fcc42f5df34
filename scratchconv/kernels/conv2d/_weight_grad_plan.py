"""How the weight gradient cuts its work: partial sums, blocks of filters, work items, tiles, and their tables."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from scratchconv import simd
from scratchconv.kernels.conv2d import _block
from scratchconv.kernels.conv2d._plan import Limits, cut, forward_direction

CHUNKS = 16  # tasks, and the most partial sums of dw
SCRATCH = 32 << 20  # bytes that all partial sums may take together
WORTH = 1024  # pixels that are worth a partial sum of their own
PIXELS = 512  # of a work item: each tile of sums is loaded and stored once for them
# (rows, vecs) of the tile menu and its share of the FMA peak, by number of vector registers. Rows are neighbours in
# memory. More accumulators than these make LLVM spill: it loads all broadcasts of a step first.
_MENU = {16: ((6, 2, 1.0), (12, 1, 0.85)), 32: ((8, 2, 1.0), (9, 2, 0.99), (12, 2, 1.0), (16, 1, 0.83), (24, 1, 0.93))}
_TOGETHER = 3  # pixels that a step takes, if their windows overlap


class Tables(NamedTuple):
    """What kernels look up of tiles; see ``row_tables`` and ``windows``."""

    starts: np.ndarray
    windows: np.ndarray
    row_at: np.ndarray  # in elements of dw
    pairs: bool  # whether L2 holds what two work items read


class Work(NamedTuple):
    """How dw of a shape is computed: work items, the tile, that of the pixels of dy it takes at once, what it looks up.

    The tables are ``exact`` if no row of a tile lies past the end of dw.
    """

    g: _block.Block
    shape: simd.TileShape
    several: simd.TileShape
    tables: Tables
    exact: bool


@functools.lru_cache(maxsize=512)
def work(x, dy, w, stride, padding, dilation, groups, dtype, copy):
    """Return the Work for arrays of these shapes; ``copy`` x in any case."""
    dims = zip(x[1:3], dy[1:3], w[:2], stride, padding, dilation, strict=True)
    directions = tuple(forward_direction(*dim) for dim in dims)
    g, shape, runs = arrange(x, dy, w, directions, dilation, groups, dtype, copy)
    if not g.copied and shape.taps == shape.rows and runs[1] % shape.rows:
        # Rows past the end of a run are read for nothing, maybe beyond the end of x. A block has room for that.
        g, shape, runs = arrange(x, dy, w, directions, dilation, groups, dtype, copy=True)
    return Work(g, shape, several_pixels(g, shape), *tables(g, w, directions, dilation, shape, runs))


def divide(g, dw, groups, width, cheap):
    """How many partial sums of dw there are, and in how many blocks of filters each of them is cut.

    A partial sum is of a stretch of pixels. It is written, read and merged: there are as many as the pixels are worth,
    or as fit half of L2, or a few if the source is not ``cheap``, because each block reads all of it.
    """
    size = max(1, dw.nbytes)
    worth = max(1, g.batch * g.result_h * g.result_w // WORTH, simd.cache_bytes(2) // 2 // size)
    chunks = min(CHUNKS, worth if cheap else max(4, worth), max(1, SCRATCH // size), _block.count_items(g))
    panels = groups * -(-(dw.shape[3] // groups) // width)
    return chunks, min(panels, -(-CHUNKS // max(1, chunks))) if cheap else 1


def arrange(x, dy, w, directions, dilation, groups, dtype, copy):
    """Work items, the tile, and (number, length) of the runs of neighbouring rows; ``x``, ``dy``, ``w`` are shapes."""
    row, column = directions
    # The taps of a kernel row may lie side by side. That is of use where a pixel's channels alone fill no tiles.
    narrow = x[3] < 16 or x[3] % 8 > 0
    # Else each tile has one tap, and a window that leaves the padding out: no need to copy x.
    strip = cut(row, column, x[0], x[3], dtype.itemsize, limits(copy, in_place=not narrow))
    g = _block.describe(x, dy, strip, row, column)
    joined = narrow and dilation[1] == 1 and groups == 1 and g.pixel == x[3]
    runs = (w[0], w[1] * w[2]) if joined else (w[0] * w[1], w[2])
    shape = choose_tile(*runs, w[3] // groups, dtype, small=joined and dilation[0] == 1)
    return g, shape, runs


def limits(copy, in_place):
    """Work items whose x fits L2, where every tile finds it again; the panel of dy is about as large as L1."""
    return Limits(simd.cache_bytes(2), PIXELS, PIXELS, copy, in_place)


def choose_tile(runs, length, width, dtype, small):
    """The tile for ``runs`` runs of ``length`` neighbouring rows and ``width`` lanes: whole ``small`` kernels."""
    lanes, registers = simd.lanes(dtype), simd.vector_registers()
    if small and runs * length <= registers - 4 and width <= lanes:
        return simd.TileShape(runs * length, 1, dtype, taps=length)

    def cost(entry):
        rows, vecs, efficiency = entry
        return -(-length // rows) * rows * -(-width // (vecs * lanes)) * vecs / efficiency

    rows, vecs, _ = min(_MENU[registers], key=cost)
    return simd.TileShape(rows, vecs, dtype, taps=rows)


def several_pixels(g, shape):
    """The tile of pixels of dy that a step takes together: several, if neighbouring windows share numbers of x."""
    step, dtype = g.column_step * g.pixel, shape.dtype
    free = simd.vector_registers() - shape.rows * shape.vecs - 1
    count = min(_TOGETHER, free // shape.vecs) if step < shape.taps else 1
    return simd.TileShape(max(1, count), shape.vecs, dtype, taps=step)


def tables(g, shape, directions, dilation, tile, runs):
    """Return the Tables for dw of this ``shape``, and whether they are exact: no row lies past the end of dw."""
    starts, row_at = row_tables(g, shape, dilation, tile, runs)
    exact = bool(row_at.max(initial=0) < math.prod(shape[:3]))
    source_rows, rows = (g.rows * g.step, g.rows) if g.strips > 1 else (g.images * g.source_h, g.images * g.rows)
    item = (source_rows * g.source_w * g.channels + rows * g.result_w * g.results) * tile.dtype.itemsize
    pairs = 2 * item <= simd.cache_bytes(2)
    return Tables(starts, windows(g, shape, directions, runs, len(starts)), row_at * shape[3], pairs), exact


def row_tables(g, shape, dilation, tile, runs):
    """Where in the source each tile's first row begins, and which (tap, channel) each of its rows is.

    Rows past the end of a run are computed for nothing and belong to the row after the last one.
    """
    (count, length), (_, kw, channels, _) = runs, shape
    top, left = (0, 0) if g.copied else (g.top, g.left)
    if tile.rows == count * length and tile.taps == length:  # a whole kernel, row after row of the source
        return np.array([(top * g.width + left) * g.pixel], np.int64), np.arange(tile.rows)
    run, first = (table.ravel() for table in np.indices((count, -(-length // tile.rows))))
    first = first * tile.rows
    u, v = (run, 0 * run) if length == kw * channels else (run // kw, run % kw)
    starts = ((u * dilation[0] + top) * g.width + v * dilation[1] + left) * g.pixel + first
    within = first[:, None] + np.arange(tile.rows)
    row_at = np.where(within < length, run[:, None] * length + within, count * length)
    return starts.astype(np.int64), row_at.ravel().astype(np.int64)


def windows(g, shape, directions, runs, tiles):
    """For each tile, the result rows and columns (first, behind the last) at which its tap lies inside the image.

    A tile with rows of several taps takes all.
    """
    kh, kw, channels, _ = shape
    if runs != (kh * kw, channels) or tiles % (kh * kw):
        return np.tile(np.array([0, g.result_h, 0, g.result_w], np.int64), (tiles, 1))
    inside = [[_inside(direction, shift) for shift, _ in direction.phases[0]] for direction in directions]
    return np.array([(*u, *v) for u in inside[0] for v in inside[1] for _ in range(tiles // (kh * kw))], np.int64)


def _inside(direction, shift):
    """The first position, and that behind the last, at which a tap at ``shift`` lies inside the source."""
    first = min(direction.result, max(0, -(shift // direction.step)))
    return first, max(first, min(direction.result, (direction.source - 1 - shift) // direction.step + 1))

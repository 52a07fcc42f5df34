"""Register-tiled convolution that reads the image itself: the default.

What it changes against im2col: no matrix of patches is ever written. A tile of ``rows`` result pixels x ``width``
filters stays in registers while the taps go by; each step multiplies one number of each pixel with one vector of
filters. The padded copy of a few rows (``_block``) is all the scratch there is.

The input gradient is the same computation with dy as its source and the weights turned round (``_plan``).
"""

from __future__ import annotations

import functools
import math
import sys
from typing import NamedTuple

import numpy as np

from scratchconv import simd
from scratchconv.kernels import _tape
from scratchconv.kernels._jit import helper, inner, threaded_kernel
from scratchconv.kernels.conv2d import _block, _groups, _panels, _prepared
from scratchconv.kernels.conv2d._ahead import LIST, TURN, begin_list, end_list, fetch, list_finish, list_source
from scratchconv.kernels.conv2d._finish import NOTHING, finish_item
from scratchconv.kernels.conv2d._plan import (
    Limits,
    Plan,
    choose_tile,
    cut,
    forward_direction,
    input_grad_direction,
    plan,
)
from scratchconv.kernels.conv2d._source import PLAIN, plain
from scratchconv.kernels.conv2d._weight_grad import bias_grad, run_weight_grad, weight_grad

__all__ = [
    "bias_grad",
    "forward",
    "input_grad",
    "prepare_forward",
    "run_forward",
    "run_input_grad",
    "run_weight_grad",
    "weight_grad",
]

_JOIN = 256  # result pixels of a work item of small images: enough to share each weight panel,
_MOST = 1024  # or so many, where there are work items enough: then more tiles have pixels with the same taps inside
_ITEMS = 20  # work items that are enough: threads find about as much to do
CHUNKS = 64  # work items are dealt to at most so many tasks, each with its own scratch


@inner
def _convolve(shape, x, origin, strip, piece, channels, table, weights, wi, bias, f, y, yi, filters, streams, ahead):
    """The convolution: for each tile of pixels, for each tap inside the source, for each channel.

    ``table`` is a Plan. Results go past the caches if they ``stream``; fetches from the list ``ahead``, whose offsets
    count from y.
    """
    simd.keep_apart()
    windows, taps, joined, steps = table.windows, piece[4], piece[5], 0
    for tile in range(piece[0], piece[1]):
        left, count = windows[strip, tile, 2], windows[strip, tile, 3] - windows[strip, tile, 2]
        parts, length = (1, count * channels) if joined else (count, channels)
        pixels = simd.row_offsets(shape, table.source, tile * shape.rows)
        acc = simd.spread(shape, bias, f)
        for u in range(windows[strip, tile, 0], windows[strip, tile, 1]):
            steps += parts * length
            if steps >= TURN:
                fetch(ahead, y)
                steps = 0
            run = piece[2] + u * taps + left
            for t in range(run, run + parts):
                first, w = origin + table.runs[t], wi + t * channels * shape.width
                for k in range(length):
                    acc = simd.outer_fma(acc, x, first + k, pixels, weights, w + k * shape.width)
        where = simd.row_offsets(shape, table.result, tile * shape.rows)
        if filters < shape.width:
            simd.tile_store_partial(acc, y, yi, where, filters)
        elif streams:
            simd.tile_stream(acc, y, yi, where)
        else:
            simd.tile_store(acc, y, yi, where)


@inner
def _fetches(pieces, channels):
    """How often a work item fetches for each panel of filters: with each row of taps of a tile, or each few."""
    total = 0
    for p in range(pieces.shape[0]):
        rows = (pieces[p, 1] - pieces[p, 0]) * pieces[p, 3]
        total += rows // ((TURN - 1) // max(1, pieces[p, 4] * channels) + 1)
    return total


@helper
def _work(chunk, chunks, shape, x, g, table, weights, bias, y, finish):
    """Compute the work items of one chunk from source ``x``."""
    first, last = _block.chunk_of(g, chunk, chunks)
    block, ahead = np.empty(_block.block_size(g), y.dtype), np.empty(LIST, np.int64)
    _compute(first, last, shape, x, g, table, weights, bias, y, finish, block, ahead)
    simd.settle()


@inner
def _compute(first, last, shape, x, g, table, weights, bias, y, finish, block, ahead):
    """Compute work items: for each phase, group and panel of filters."""
    groups, panels, depth = weights.shape[0], weights.shape[1], weights.shape[2]
    per_group, filters = g.channels // groups, g.results // groups
    for item in range(first, last):
        image, origin = _block.place(x, g, item, block)
        at, variant = _block.result_offset(g, item), _block.is_last(g, item)
        streams = finish.kind == NOTHING and finish.streams and filters % simd.lanes_of(y) == 0
        begin_list(ahead)
        list_finish(ahead, y, finish, y, g, item, x)
        list_source(ahead, y, x, g, item + 1)
        end_list(ahead, y, _fetches(table.pieces[variant], per_group) * groups * panels * TURN)
        for phase in range(table.pieces.shape[1]):
            piece = table.pieces[variant, phase]
            for gp in range(groups * panels):
                group, f = gp // panels, gp % panels * shape.width
                _convolve(
                    shape, image, origin + group * per_group, item % g.strips, piece, per_group, table,
                    weights, gp * depth * shape.width, bias, gp * shape.width,
                    y, at + group * filters + f, filters - f, streams, ahead,
                )  # fmt: skip
        if finish.kind != NOTHING:
            finish_item(finish, g, item, y, _block.result_offset(g, item), y)


@threaded_kernel
def _run(shape, x, g, table, weights, bias, y, finish):
    """y[n,·,·,f] = bias[f] + Σ over runs and channels of source pixel x weight panel; see naive.forward, input_grad

    x a Source, table a Plan, y flat NHWC; weights (G, P, R, width) packed; bias (G, P*width). Owns: a worker writes all
    results of its work items. Cost: that of naive and the padding of panels; reads a source row about once from memory.
    """
    chunks = min(_block.work_items(g), CHUNKS)
    simd.run_tasks(_work, chunks, chunks, shape, x, g, table, weights, bias, y, finish)


class Orientation(NamedTuple):
    """How lanes, groups and reduced channels lie in w: elements from one to the next."""

    lane: int
    group: int
    reduced: int


class _Layout(NamedTuple):
    """What does not depend on numbers: tile, work items, tables, and where the rows of each weight panel lie in w."""

    shape: simd.TileShape
    block: _block.Block
    table: Plan
    rows: np.ndarray


@functools.lru_cache(maxsize=512)
def _lay_out(x, y, w, copy, reduced, groups, row, column, dtype):
    """Lay out the convolution of ``x`` by ``w`` into ``y``, all shapes; of ``w``, ``reduced`` is an Orientation's."""
    batch, _, _, channels = x
    per_group, weights = channels // groups, math.prod(w) * dtype.itemsize
    shape = choose_tile(y[3] // groups, dtype)
    # Pixels a multiple of 4 KiB apart lie in one set of L1, which has not as many ways as a tile has pixels.
    crowded = column.step * channels * dtype.itemsize % 4096 == 0
    join = max(_JOIN, min(_MOST, batch * y[1] * y[2] // _ITEMS))
    limits = Limits(_block_bytes(weights), join, sys.maxsize, copy=copy or crowded)
    strip = cut(row, column, batch, channels, dtype.itemsize, limits)
    table = plan(row, column, strip, batch, per_group, y[3], shape.rows)
    rows = (table.taps[:, None] * (w[2] * w[3]) + np.arange(per_group) * reduced).ravel()
    return _Layout(shape, _block.describe(x, y, strip, row, column), table, rows)


def _prepare(source, w, orientation, bias, y, groups, row, column):
    """The convolution of sources like ``source`` into arrays like ``y``; its weights are packed here."""
    x = (y.shape[0], source.rows, source.columns, source.channels)
    copy, filters = source.kind != PLAIN, y.shape[3] // groups
    shape, g, table, rows = _lay_out(x, y.shape, w.shape, copy, orientation.reduced, groups, row, column, y.dtype)
    panels = _tape.scratch((groups, -(-filters // shape.width), rows.size, shape.width), y.dtype)
    neighbours = source.channels // groups if orientation.reduced == 1 else 1
    _panels.pack(w.reshape(-1), rows, neighbours, orientation.lane, orientation.group, filters, shape.width, panels)
    padded_bias = np.zeros((groups, panels.shape[1] * shape.width), y.dtype)
    _tape.do(np.copyto, padded_bias[:, :filters], bias.reshape(groups, filters))
    return _prepared.Prepared(_run, (shape,), g, (table, panels, padded_bias))


def _block_bytes(weights):
    """A quarter of L2 for a work item's source, more if the weights, which it reads once, are large as well."""
    return min(max(simd.cache_bytes(2) // 4, 2 * weights), simd.cache_bytes(2))


def prepare_forward(source, w, b, stride, padding, dilation, groups, y, precision="exact"):
    """Make run_forward ready for sources like ``source`` and results like ``y``, whose numbers are not looked at.

    There is one ``precision`` only.
    """
    dims = zip((source.rows, source.columns), y.shape[1:3], w.shape[:2], stride, padding, dilation, strict=True)
    row, column = (forward_direction(*dim) for dim in dims)
    m = _groups.merged(groups, w.shape[3] // groups, simd.lanes(y.dtype))
    w, groups = _groups.spread(w, groups, m), groups // m
    return _prepare(source, w, Orientation(1, w.shape[3] // groups, w.shape[3]), b, y, groups, row, column)


def run_forward(source, w, b, stride, padding, dilation, groups, y, make_finish=None, precision="exact"):
    """As forward, of a Source (see _source); the results are finished as ``make_finish(items)`` tells (see _finish)."""
    return prepare_forward(source, w, b, stride, padding, dilation, groups, y).run(source, y, make_finish)


def run_input_grad(source, w, stride, padding, dilation, groups, dx, make_finish=None, precision="exact"):
    """As input_grad, likewise."""
    dims = zip(dx.shape[1:3], (source.rows, source.columns), w.shape[:2], stride, padding, dilation, strict=True)
    row, column = (input_grad_direction(*dim) for dim in dims)
    m = _groups.merged(groups, w.shape[2], simd.lanes(dx.dtype))
    w, groups = _groups.spread(w, groups, m), groups // m
    zeros, orientation = np.zeros(dx.shape[3], dx.dtype), Orientation(w.shape[3], w.shape[3] // groups, 1)
    return _prepare(source, w, orientation, zeros, dx, groups, row, column).run(source, dx, make_finish)


def forward(x, w, b, stride, padding, dilation, groups, y):
    """As naive.forward; lanes are filters, the reduced channels are those of x."""
    run_forward(plain(x), w, b, stride, padding, dilation, groups, y)


def input_grad(dy, w, stride, padding, dilation, groups, dx):
    """As naive.input_grad; lanes are channels of x, the reduced channels are filters."""
    run_input_grad(plain(dy), w, stride, padding, dilation, groups, dx)

"""Direct convolution with row reuse: for layers with no more filters than one vector has lanes.

What it changes against direct: with one vector of filters each broadcast of a pixel would feed a single FMA, and the
core can load no more than it can multiply. Here the tile is a stretch of neighbouring pixels of a row, and a broadcast
feeds every tap of the kernel row whose window the pixel is in: KW FMAs a load. It pays with one vector of filters only.

The input gradient is the same computation on dy with the kernels turned round; the weight gradient is direct's.
"""

from __future__ import annotations

import sys

import numpy as np

from scratchconv import simd
from scratchconv.kernels import _tape
from scratchconv.kernels._copy import aligned_empty
from scratchconv.kernels._jit import helper, inner, threaded_kernel
from scratchconv.kernels.conv2d import _block
from scratchconv.kernels.conv2d._ahead import LIST, TURN, begin_list, end_list, fetch, list_finish, list_source
from scratchconv.kernels.conv2d._finish import DROP, MOMENTS, RECEIVE, SELECT, finish_item, measure
from scratchconv.kernels.conv2d._panels import turned
from scratchconv.kernels.conv2d._plan import Limits, cut, forward_direction
from scratchconv.kernels.conv2d._prepared import Prepared
from scratchconv.kernels.conv2d._source import plain
from scratchconv.kernels.conv2d._weight_grad import bias_grad, run_weight_grad, weight_grad

__all__ = [
    "applies",
    "bias_grad",
    "forward",
    "input_grad",
    "prepare_forward",
    "run_forward",
    "run_input_grad",
    "run_weight_grad",
    "weight_grad",
]

CHUNKS = 32  # work items are dealt to at most so many tasks, each with its own scratch
# Pixels of a tile by number of vector registers: they and the taps of a kernel row must fit.
_PIXELS = {16: (8, 7), 32: (16, 14)}
_MOST_TAPS = {16: 5, 32: 7}


def applies(taps, stride, dilation, groups, results):
    """Whether this algorithm computes such a convolution with ``results`` (N, OH, OW, F), and pays."""
    registers = simd.vector_registers()
    plain_geometry = groups == 1 and (*stride, *dilation) == (1, 1, 1, 1)
    few = results.shape[3] <= simd.lanes(results.dtype) and 1 < taps[1] <= _MOST_TAPS[registers]
    return plain_geometry and few and results.shape[2] >= min(_PIXELS[registers])


@inner
def _convolve(
    shape, s, at, line, pixel, channels, taps, weights, bias, above, below, rows, width, results, y, yi, streams,
    r, ri, twice, ahead,
):  # fmt: skip
    """y[i, j, :] = bias + Σ_{u,c} Σ_v x[i + u, j + v, c] w[u, v, c, :] for ``rows`` rows of ``width`` results.

    The source begins at ``at`` in the scratch ``s``, one ``line`` a row; its rows from ``above`` to the one before
    ``below`` lie inside the image. Results begin at ``yi``. The tile is a stretch of ``shape.rows`` pixels; the last
    one of a row overlaps the one before. If ``y`` is stored past the caches, who wants to read it finds it in ``r``,
    too (``twice``). Fetches from the list ``ahead``.
    """
    simd.keep_apart()
    step, where = channels * shape.width, simd.grid_offsets(shape, 1, results, 0)
    for i in range(rows):
        for j in range(0, width, shape.rows):
            first = min(j, width - shape.rows)
            acc = simd.spread(shape, bias, 0)
            for u in range(max(0, above - i), min(taps, below - i)):
                fetch(ahead, s)
                w = u * shape.taps * step
                x = at + (i + u) * line + first * pixel
                for c in range(channels):
                    acc = simd.outer_fma_row(
                        shape, acc, s, simd.opaque(x + c), pixel, weights, w + c * shape.width, step
                    )
            o = (i * width + first) * results
            if results < shape.width:
                simd.tile_store_partial(acc, y, yi + o, where, results)
            elif streams:
                simd.tile_stream(acc, y, yi + o, where)
            else:
                simd.tile_store(acc, y, yi + o, where)
            if twice:
                simd.tile_store(acc, r, ri + o, where)


@inner
def _compute(first, last, shape, source, g, taps, part, weights, bias, y, finish, s, at, ri, ahead):
    """Compute work items, ``part`` rows at a time, which are measured while they are in L1 (see _finish)."""
    line, size, measured = g.width * g.pixel, g.result_w * g.results, finish.kind & (MOMENTS | SELECT)
    received, dropped = finish.kind & RECEIVE, finish.kind & DROP and not finish.kind & MOMENTS
    streams = 0 if received or dropped else finish.streams
    for item in range(first, last):
        rows, yi = _block.rows_of(g, item), _block.result_offset(g, item)
        begin_list(ahead)
        if not dropped:
            list_finish(ahead, s, finish, y, g, item, source)
        list_source(ahead, s, source, g, item + 1)
        tiles = (g.result_w + shape.rows - 1) // shape.rows
        end_list(ahead, s, rows * tiles * taps * TURN)
        _block.fill_block(source, g, item, s, at)
        _, above, below, _, _ = _block.inside(g, item)
        for i in range(0, rows, part):
            n, to = min(part, rows - i), yi + i * size
            target, o = (s, ri) if dropped else (y, to)
            _convolve(shape, s, at + i * line, line, g.pixel, g.channels, taps, weights, bias, above - i, below - i,
                      n, g.result_w, g.results, target, o, streams, s, ri, measured and streams, ahead)  # fmt: skip
            if measured:
                r, o = (s, ri) if dropped or streams else (y, to)
                measure(finish, g, item, i, n, r, o, y)
        if received:
            finish_item(finish, g, item, y, yi, y)


@helper
def _items(chunk, chunks, shape, source, g, taps, part, weights, bias, y, finish):
    """Compute the work items of one chunk."""
    first, last = _block.chunk_of(g, chunk, chunks)
    image = (g.height * g.width * g.pixel + 79) // 16 * 16  # room for a vector beyond the source
    s, at = aligned_empty(y, image + part * g.result_w * g.results)
    _compute(first, last, shape, source, g, taps, part, weights, bias, y, finish, s, at, at + image,
             np.empty(LIST, np.int64))  # fmt: skip
    simd.settle()


@threaded_kernel
def _run(shape, source, g, taps, part, weights, bias, y, finish):
    """y[n,i,j,:] = bias + Σ_{u,c} Σ_v source[n,i+u,j+v,c] w[u,v,c,:]; see naive.forward

    source, y flat NHWC; weights (KH, KW, C, lanes). Owns: a worker writes all results of its work items.
    Cost: that of naive; a load of the source feeds KW FMAs.
    """
    chunks = min(_block.work_items(g), CHUNKS)
    simd.run_tasks(_items, chunks, chunks, shape, source, g, taps, part, weights, bias, y, finish)


def _prepare(source, w, bias, padding, y):
    """The convolution of sources like ``source`` with ``w`` (KH, KW, C, F) into arrays like ``y`` (N, OH, OW, F)."""
    taps, dtype, results = w.shape[:2], y.dtype, y.shape[3]
    dims = zip((source.rows, source.columns), y.shape[1:3], taps, padding, strict=True)
    row, column = (forward_direction(size, out, k, 1, p, 1) for size, out, k, p in dims)
    limits = Limits(simd.cache_bytes(2) // 4, 1, sys.maxsize, copy=True)
    strip = cut(row, column, y.shape[0], source.channels, y.itemsize, limits)
    g = _block.describe((y.shape[0], source.rows, source.columns, source.channels), y.shape, strip, row, column)
    fitting = [n for n in _PIXELS[simd.vector_registers()] if n <= y.shape[2]]
    pixels = min(fitting, key=lambda n: -(-y.shape[2] // n) * n)
    shape = simd.TileShape(pixels, 1, dtype, taps=taps[1])
    weights = np.zeros((*taps, source.channels, shape.lanes), dtype)
    _tape.do(np.copyto, weights[..., :results], w)
    padded_bias = np.zeros(shape.lanes, dtype)
    _tape.do(np.copyto, padded_bias[:results], bias)
    return Prepared(_run, (shape,), g, (taps[0], _part(g, dtype), weights.reshape(-1), padded_bias))


def _part(g, dtype):
    """How many rows of a work item are convolved and measured together: an even number, in half of L1 if possible."""
    most = max(2, simd.cache_bytes(1) // 2 // max(1, g.result_w * g.results * dtype.itemsize))
    rows = -(-g.rows // -(-g.rows // most))
    return rows + rows % 2


def prepare_forward(source, w, b, stride, padding, dilation, groups, y, precision="exact"):
    """Make run_forward ready for sources like ``source`` and results like ``y``, whose numbers are not looked at.

    There is one ``precision`` only.
    """
    return _prepare(source, w, b, padding, y)


def run_forward(source, w, b, stride, padding, dilation, groups, y, make_finish=None, precision="exact"):
    """As forward, of a Source (see _source); the results are finished as ``make_finish(items)`` tells (see _finish)."""
    return _prepare(source, w, b, padding, y).run(source, y, make_finish)


def run_input_grad(source, w, stride, padding, dilation, groups, dx, make_finish=None, precision="exact"):
    """As input_grad, likewise."""
    back = tuple(k - 1 - p for k, p in zip(w.shape[:2], padding, strict=True))
    return _prepare(source, turned(w), np.zeros(dx.shape[3], dx.dtype), back, dx).run(source, dx, make_finish)


def forward(x, w, b, stride, padding, dilation, groups, y):
    """As naive.forward, where it applies."""
    run_forward(plain(x), w, b, stride, padding, dilation, groups, y)


def input_grad(dy, w, stride, padding, dilation, groups, dx):
    """As naive.input_grad, likewise."""
    run_input_grad(plain(dy), w, stride, padding, dilation, groups, dx)

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
from scratchconv.kernels.conv2d._ahead import LIST, begin_list, end_list, list_finish, list_source, take
from scratchconv.kernels.conv2d._finish import finish_item
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

CHUNKS = 64  # work items are dealt to at most so many tasks, each with its own scratch
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
def _convolve_image(shape, s, at, g, rows, taps, weights, bias, o, ahead):
    """y[i, j, :] = bias + Σ_{u,c} Σ_v x[i + u, j + v, c] w[u, v, c, :] for one image of a work item.

    In the scratch ``s`` the source begins at ``at`` and y at ``o``. The tile is a stretch of ``shape.rows`` pixels; the
    last one of a row overlaps the one before. Fetches from the list ``ahead``.
    """
    simd.keep_apart()
    line, step = g.width * g.pixel, g.channels * shape.width
    where, fetched = simd.grid_offsets(shape, 1, g.results, 0), 64 // s.itemsize
    for i in range(rows):
        for j in range(0, g.result_w, shape.rows):
            next_line, last = take(ahead, s, taps * g.channels)
            first = min(j, g.result_w - shape.rows)
            acc, w = simd.spread(shape, bias, 0), 0
            for u in range(taps):
                x = at + (i + u) * line + first * g.pixel
                for c in range(g.channels):
                    simd.prefetch(s, next_line)
                    next_line = min(next_line + fetched, last)
                    acc = simd.outer_fma_row(
                        shape, acc, s, simd.opaque(x + c), g.pixel, weights, w + c * shape.width, step
                    )
                w += shape.taps * step
            to = o + (i * g.result_w + first) * g.results
            if g.results >= shape.width:
                simd.tile_store(acc, s, to, where)
            else:
                simd.tile_store_partial(acc, s, to, where, g.results)


@helper
def _items(chunk, chunks, shape, source, g, taps, weights, bias, y, finish):
    """Compute the work items of one chunk."""
    first, last = _block.chunk_of(g, chunk, chunks)
    image, results = g.height * g.width * g.pixel, g.rows * g.result_w * g.results
    s, at = aligned_empty(y, g.images * (image + results) + 2 * 64)
    out = at + (g.images * image + 79) // 16 * 16  # room for a vector beyond the source
    ahead = np.empty(LIST, np.int64)
    stretches = (g.result_w + shape.rows - 1) // shape.rows
    for item in range(first, last):
        images, rows = _block.images_of(g, item), _block.rows_of(g, item)
        begin_list(ahead)
        list_finish(ahead, s, finish, y, g, item)
        list_source(ahead, s, source, g, item + 1)
        end_list(ahead, s, images * rows * stretches * taps * g.channels)
        _block.fill_block(source, g, item, s, at)
        for n in range(images):
            o = out + n * rows * g.result_w * g.results
            _convolve_image(shape, s, at + n * image, g, rows, taps, weights, bias, o, ahead)
        finish_item(finish, g, item, s, out, y)
    simd.settle()


@threaded_kernel
def _run(shape, source, g, taps, weights, bias, y, finish):
    """y[n,i,j,:] = bias + Σ_{u,c} Σ_v source[n,i+u,j+v,c] w[u,v,c,:]; see naive.forward

    source, y flat NHWC; weights (KH, KW, C, lanes). Owns: a worker writes all results of its work items.
    Cost: that of naive; a load of the source feeds KW FMAs.
    """
    chunks = min(_block.work_items(g), CHUNKS)
    simd.run_tasks(_items, chunks, chunks, shape, source, g, taps, weights, bias, y, finish)


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
    return Prepared(_run, (shape,), g, (taps[0], weights.reshape(-1), padded_bias))


def turned(w):
    """Kernels for the input gradient: (KH, KW, F, C), rotated by half a turn."""
    return w[::-1, ::-1].transpose(0, 1, 3, 2)


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

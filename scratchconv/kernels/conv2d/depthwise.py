"""Depthwise convolution (groups = C = F): every channel has its own filter, so nothing is reduced over channels.

An outer product has nothing to share here: a filter's numbers serve one channel only. Instead, the lanes of a vector
are channels on both sides, ``acc[pixel, lane] += x[pixel + tap, lane] * w[tap, lane]``, one vector load for each FMA:
these kernels are bound by loads and by memory, not by arithmetic. Work items, padding and tables are those of direct.

Source: Howard et al., MobileNets, arXiv:1704.04861, section 3.1.
"""

from __future__ import annotations

import sys

import numpy as np

from scratchconv import simd
from scratchconv.kernels._copy import fill_zero
from scratchconv.kernels._jit import helper, inner, parallel_kernel, prange
from scratchconv.kernels.conv2d import _block
from scratchconv.kernels.conv2d._plan import (
    Limits,
    cut,
    forward_direction,
    input_grad_direction,
    plan,
)
from scratchconv.kernels.conv2d._source import plain
from scratchconv.kernels.conv2d._weight_grad import CHUNKS, bias_grad, merge

__all__ = ["bias_grad", "forward", "input_grad", "weight_grad"]

_ROWS, _VECS = 6, 2  # pixels x vectors of a tile: 12 accumulators and 2 weights fit 16 registers
_TAPS = 9  # taps of a tile of the weight gradient: a 3x3 kernel at once


@inner
def _convolve(shape, x, origin, piece, source, result, runs, w, wi, taps, bias, c, y, yi, channels):
    """For each tile of pixels, for each tap: lanes times lanes."""
    for q in range(piece[0], piece[0] + piece[1], shape.rows):
        pixels = simd.row_offsets(shape, source, q)
        acc = simd.spread(shape, bias, c)
        for t in range(piece[2], piece[3]):
            acc = simd.lane_fma(acc, x, origin + runs[t], pixels, w, wi + taps[t] * shape.width)
        where = simd.row_offsets(shape, result, q)
        if channels >= shape.width:
            simd.tile_store(acc, y, yi, where)
        else:
            simd.tile_store_partial(acc, y, yi, where, channels)


@helper
def _work(shape, x, g, first, last, source, result, pieces, runs, taps, w, bias, y):
    """Compute the work items first..last-1."""
    block = np.empty(_block.block_size(g), y.dtype)
    for item in range(first, last):
        image, origin = _block.place(x, g, item, block)
        at, variant = _block.result_offset(g, item), _block.is_last(g, item)
        for phase in range(pieces.shape[1]):
            for c in range(0, g.channels, shape.width):
                _convolve(
                    shape, image, origin + c, pieces[variant, phase], source, result, runs,
                    w, c * w.shape[1], taps, bias, c, y, at + c, g.channels - c,
                )  # fmt: skip


@parallel_kernel
def _run(shape, x, g, source, result, pieces, runs, taps, w, bias, y):
    """y[n,·,·,c] = bias[c] + Σ_t x[n, tap t of the pixel, c] * w[t,c]; see naive.forward, input_grad

    x a Source, y flat NHWC; w (panels, taps, width), bias (panels*width,) zero-padded. Owns: a worker writes all
    results of its work items. Cost: 2 flop a tap and result; reads and writes each image about once.
    """
    items = _block.work_items(g)
    chunks = min(items, 4 * CHUNKS)
    for chunk in prange(chunks):
        first, last = chunk * items // chunks, (chunk + 1) * items // chunks
        _work(shape, x, g, first, last, source, result, pieces, runs, taps, w, bias, y)


def _launch(x, w, bias, y, row, column):
    """Cut the work, lay the weights out in panels, run."""
    channels = x.shape[3]
    shape = simd.TileShape(_ROWS, 1 if channels <= simd.lanes(x.dtype) else _VECS, x.dtype)
    strip = cut(row, column, x.shape[0], channels, x.itemsize, _limits(channels, shape.width))
    tables = plan(row, column, strip, x.shape[0], 1, channels, shape.rows)
    panels = -(-channels // shape.width)
    padded = np.zeros((w.shape[0] * w.shape[1] + 1, panels * shape.width), x.dtype)
    padded[:-1, :channels] = w.reshape(-1, channels)
    padded[-1, :channels] = bias
    weights = np.ascontiguousarray(padded[:-1].reshape(-1, panels, shape.width).transpose(1, 0, 2))
    g = _block.describe(x.shape, y.shape, strip, row, column)
    _run(shape, plain(x), g, *tables[1:], weights, padded[-1], y.reshape(-1))


def _limits(channels, width):
    """Work items as in direct; blocks, which end in a vector of slack, wherever a last vector reaches too far."""
    return Limits(simd.cache_bytes(2) // 4, 256, sys.maxsize, copy=channels % width != 0)


def forward(x, w, b, stride, padding, dilation, groups, y):
    """As naive.forward with groups = C = F."""
    dims = zip(x.shape[1:3], y.shape[1:3], w.shape[:2], stride, padding, dilation, strict=True)
    row, column = (forward_direction(*dim) for dim in dims)
    _launch(x, w, b, y, row, column)


def input_grad(dy, w, stride, padding, dilation, groups, dx):
    """As naive.input_grad with groups = C = F."""
    dims = zip(dx.shape[1:3], dy.shape[1:3], w.shape[:2], stride, padding, dilation, strict=True)
    row, column = (input_grad_direction(*dim) for dim in dims)
    _launch(dy, w, np.zeros(dx.shape[3], dx.dtype), dx, row, column)


@inner
def _sum_pixels(shape, x, origin, g, images, rows, taps, dy, di):
    """acc[t, l] = Σ_{n,i,j} x[start of the pixel (n,i,j)'s window + taps[t] + l] * dy[n,i,j,l]."""
    acc = simd.zeros(shape)
    for n in range(images):
        for i in range(rows):
            start = origin + (n * g.height + i * g.step) * g.width * g.pixel
            for j in range(g.result_w):
                window = simd.opaque(start + j * g.column_step * g.pixel)
                acc = simd.lane_fma(acc, x, window, taps, dy, di)
                di += g.results
    return acc


@helper
def _work_weight_grad(shape, x, dy, g, first, last, taps, row_at, total, at):
    """total[at:] = the gradient of the work items first..last-1, a (taps, channels up to a whole vector) matrix."""
    block = np.empty(_block.block_size(g), total.dtype)
    channels = (g.channels + shape.width - 1) // shape.width * shape.width
    fill_zero(total, at, taps.size * channels)
    for item in range(first, last):
        image, origin = _block.place(x, g, item, block)
        di, images, rows = _block.result_offset(g, item), _block.images_of(g, item), _block.rows_of(g, item)
        for c in range(0, channels, shape.width):
            for t in range(0, taps.size, shape.rows):
                window, to = simd.row_offsets(shape, taps, t), simd.row_offsets(shape, row_at, t)
                acc = _sum_pixels(shape, image, origin + c, g, images, rows, window, dy, di + c)
                simd.tile_store(acc + simd.tile_load(shape, total, at + c, to), total, at + c, to)


@parallel_kernel
def _run_weight_grad(shape, x, dy, g, taps, row_at, totals):
    """totals[chunk, t, c] = Σ over the chunk's pixels of x at tap t times dy; see naive.weight_grad

    x a Source, dy flat NHWC, readable a vector beyond its end; totals (chunks, taps, channels up to a whole vector).
    Owns: a worker writes totals[chunk]. Cost: 2 flop a tap and pixel; dy is read once a tile of taps, from cache.
    """
    items, chunks = _block.work_items(g), totals.shape[0]
    for chunk in prange(chunks):
        first, last = chunk * items // chunks, (chunk + 1) * items // chunks
        _work_weight_grad(shape, x, dy, g, first, last, taps, row_at, totals, chunk * totals[0].size)


def weight_grad(x, dy, stride, padding, dilation, groups, dw):
    """As naive.weight_grad with groups = C = F; rows of the tile are taps."""
    dims = zip(x.shape[1:3], dy.shape[1:3], dw.shape[:2], stride, padding, dilation, strict=True)
    row, column = (forward_direction(*dim) for dim in dims)
    shape = simd.TileShape(_TAPS, 1, x.dtype)
    channels, lanes = x.shape[3], simd.lanes(x.dtype)
    strip = cut(row, column, x.shape[0], channels, x.itemsize, _limits(channels, lanes))
    g = _block.describe(x.shape, dy.shape, strip, row, column)
    u, v = np.indices(dw.shape[:2]).reshape(2, -1)
    taps = (u * dilation[0] * g.width + v * dilation[1]) * g.pixel
    taps = np.pad(taps, (0, -taps.size % shape.rows), "edge").astype(np.int64)
    totals = np.empty((CHUNKS, taps.size, -(-channels // lanes) * lanes), x.dtype)
    if channels % lanes:
        dy = np.concatenate([dy.reshape(-1), np.zeros(lanes, dy.dtype)])
    row_at = np.arange(taps.size) * totals.shape[2]
    _run_weight_grad(shape, plain(x), dy.reshape(-1), g, taps, row_at, totals)
    merged = np.empty(totals.shape[1:], x.dtype)
    merge(totals.reshape(CHUNKS, -1), merged.reshape(-1))
    dw[...] = merged[: u.size, :channels].reshape(dw.shape)

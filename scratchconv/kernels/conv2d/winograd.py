"""Winograd's convolution F(m x m', r x r'): fewer multiplications than the formula has.

What it changes against direct: an m x m' tile of results needs (m + r - 1)(m' + r' - 1) products a channel pair instead
of m m' r r'. Source patches d and kernels g are transformed once (V = B'dB, U = GgG'), multiplied plane by plane as
matrices (M = Σ_c V U, the same register tile as in direct), and transformed back (y = A'MA). ``_cook_toom`` derives the
matrices. README.md has the count and the error of each size.

The input gradient is the same computation on dy with the kernels turned round; the weight gradient transforms x and
dy, multiplies them, and transforms back with the transposed matrices: dw = G' [Σ_tiles (B'dB) (A dy A')] G.
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._copy import aligned_empty, fill_zero
from scratchconv.kernels._jit import helper, kernel, parallel_kernel, prange
from scratchconv.kernels.conv2d import _block
from scratchconv.kernels.conv2d import _winograd_plan as plan
from scratchconv.kernels.conv2d._finish import finish_item, nothing
from scratchconv.kernels.conv2d._source import plain
from scratchconv.kernels.conv2d._weight_grad import bias_grad, merge
from scratchconv.kernels.conv2d.rows import turned

__all__ = [
    "applies",
    "bias_grad",
    "forward",
    "input_grad",
    "pays",
    "run_forward",
    "run_input_grad",
    "run_weight_grad",
    "weight_grad",
]

CHUNKS = 64  # work items are dealt to at most so many prange iterations, each with its own scratch
SUMS, SUM_BYTES = 16, 32 << 20  # partial sums of dw: their number, and bytes they may take while they are planes


def applies(taps, stride, dilation, groups):
    """Whether this algorithm computes such a convolution."""
    return tuple(taps) in plan.TILES["exact"] and groups == 1 and (*stride, *dilation) == (1, 1, 1, 1)


def pays(channels, filters, pixels):
    """Whether it is faster than direct: enough channels to spread the transforms over, enough pixels for the kernels'."""
    return min(channels, filters) >= 16 and pixels >= 256


# ---------------------------------------------------------------- pieces


@helper
def _apply(t, x, at, row, column, y, o, out_row, out_column):
    """y[grid at o] = left · x[grid at ``at``] · rightᵀ, one vector wide; steps are those of rows and columns."""
    row, column = simd.opaque(row), simd.opaque(column)
    patch = simd.tile_load(t.source, x, at, simd.grid_offsets(t.source, t.source_columns, row, column))
    where = simd.grid_offsets(t.result, t.columns, simd.opaque(out_row), simd.opaque(out_column))
    simd.tile_store(simd.transform(t, patch), y, o, where)


@helper
def _place_of(tiling, rows, tile):
    """(image, tile row, tile column) of a tile of a work item with ``rows`` rows of tiles an image."""
    image, rest = tile // (rows * tiling.columns), tile % (rows * tiling.columns)
    return image, rest // tiling.columns, rest % tiling.columns


@helper
def _next_place(tiling, rows, n, i, j):
    """The place after (n, i, j)."""
    j += 1
    if j == tiling.columns:
        i, j = i + 1, 0
        if i == rows:
            n, i = n + 1, 0
    return n, i, j


@helper
def _transform_patches(t, g, tiling, rows, first, count, block, at, planes, o, plane, slab, step):
    """planes[p, tile, :] = t of the patch of each of ``count`` tiles, vector after vector of channels.

    In a plane, tiles are ``step`` apart and vectors of channels ``slab``.
    """
    lanes, line = simd.lanes_of(block), g.width * g.pixel
    n, i, j = _place_of(tiling, rows, first)
    for _ in range(count):
        source = at + (n * g.height + i * tiling.high) * line + j * tiling.wide * g.pixel
        for c in range(0, g.pixel, lanes):
            _apply(t, block, source + c, line, g.pixel, planes, o + c // lanes * slab, t.columns * plane, plane)
        o += step
        n, i, j = _next_place(tiling, rows, n, i, j)


@helper
def _multiply(shape, a, ai, slab, depth, b, bi, c, ci, tiles):
    """C[t, l] = Σ_k A[t, k] B[k, l] for one plane and one panel of ``shape.width`` lanes.

    A lies in slabs of one vector of channels, tile after tile, so the rows of a register tile are a constant apart.
    """
    lanes = simd.lanes_of(a)
    rows, where = simd.grid_offsets(shape, 1, lanes, 0), simd.grid_offsets(shape, 1, shape.width, 0)
    for t in range(0, tiles, shape.rows):
        acc = simd.zeros(shape)
        for s in range(0, depth, lanes):
            first, weights = ai + s // lanes * slab + t * lanes, bi + s * shape.width
            for k in range(min(lanes, depth - s)):
                acc = simd.outer_fma(acc, a, simd.opaque(first + k), rows, b, weights + k * shape.width)
        simd.tile_store(acc, c, ci + t * shape.width, where)


@helper
def _store_edge(y, at, row, column, high, wide, live, tile, tile_columns, o):
    """Copy the ``high`` x ``wide`` pixels of a tile that lie in the image, ``live`` lanes of each."""
    lanes = simd.lanes_of(y)
    for i in range(high):
        for j in range(wide):
            value = simd.load(tile, o + (i * tile_columns + j) * lanes)
            simd.store_partial(y, at + i * row + j * column, value, live)


@helper
def _transform_results(t, shape, g, tiling, rows, top, first, count, products, pi, bias, f, y, yi, edge, ei):
    """Y = bias + t of the products of each tile, for the panel of results from ``f`` on."""
    lanes, row = simd.lanes_of(y), g.result_w * g.results
    n, i, j = _place_of(tiling, rows, first)
    for _ in range(count):
        high = min(tiling.high, g.result_h - top - i * tiling.high)
        wide = min(tiling.wide, g.result_w - j * tiling.wide)
        at = yi + (n * g.result_h + i * tiling.high) * row + j * tiling.wide * g.results + f
        for v in range(0, min(shape.width, g.results - f), lanes):
            plane = simd.opaque(tiling.result_plane)
            planes = simd.grid_offsets(t.source, t.source_columns, t.source_columns * plane, plane)
            result = simd.transform(t, simd.tile_load(t.source, products, pi + v, planes))
            result = result + simd.spread(t.result, bias, f + v)
            if high == t.rows and wide == t.columns and f + v + lanes <= g.results:
                where = simd.grid_offsets(t.result, t.columns, simd.opaque(row), g.results)
                simd.tile_store(result, y, at + v, where)
            else:
                simd.tile_store(result, edge, ei, simd.grid_offsets(t.result, t.columns, t.columns * lanes, lanes))
                _store_edge(y, at + v, row, g.results, high, wide, g.results - f - v, edge, t.columns, ei)
        pi += shape.width
        n, i, j = _next_place(tiling, rows, n, i, j)


# ---------------------------------------------------------------- forward and input gradient


@helper
def _forward_group(into, back, shape, g, tiling, rows, top, first, count, s, start, weights, bias, y, yi):
    """Compute ``count`` tiles of a work item whose padded source lies in the scratch ``s``."""
    planes, lanes = into.rows * into.columns, simd.lanes_of(y)
    slab, panel = tiling.group * lanes, tiling.depth * shape.width
    source, result = start + tiling.source_at, start + tiling.result_at
    _transform_patches(into, g, tiling, rows, first, count, s, start + tiling.block_at,
                       s, source, tiling.source_plane, slab, lanes)  # fmt: skip
    for f in range(0, g.results, shape.width):
        for p in range(planes):
            _multiply(shape, s, source + p * tiling.source_plane, slab, tiling.depth,
                      weights, p * tiling.weight_plane + f // shape.width * panel,
                      s, result + p * tiling.result_plane, count)  # fmt: skip
        _transform_results(back, shape, g, tiling, rows, top, first, count, s, result, bias, f, y, yi, s, start)


@helper
def _forward_items(into, back, shape, source, g, tiling, first, last, weights, bias, y, finish):
    """Compute the work items first..last-1."""
    s, start = aligned_empty(y, tiling.scratch)
    fill_zero(s, start, tiling.scratch)
    for item in range(first, last):
        rows = (_block.result_rows_of(g, item) + tiling.high - 1) // tiling.high
        top, yi = item % g.strips * g.rows, _block.result_offset(g, item)
        _block.fill_block(source, g, item, s, start + tiling.block_at)
        tiles = _block.images_of(g, item) * rows * tiling.columns
        for tile in range(0, tiles, tiling.group):
            count = min(tiling.group, tiles - tile)
            _forward_group(into, back, shape, g, tiling, rows, top, tile, count, s, start, weights, bias, y, yi)
        finish_item(finish, g, item, y)


@parallel_kernel
def _run(into, back, shape, source, g, tiling, weights, bias, y, finish):
    """Y = bias + A'[Σ_c (B'dB) ⊙ U]A for every tile; see naive.forward

    source, y flat NHWC; weights U (planes, panels, C, width). Owns: a worker writes all results of its work items.
    Cost: planes / (m m' r r') of the multiplications of naive, plus the transforms; scratch stays within L2.
    """
    items = _block.work_items(g)
    chunks = min(items, CHUNKS)
    for chunk in prange(chunks):
        first, last = chunk * items // chunks, (chunk + 1) * items // chunks
        _forward_items(into, back, shape, source, g, tiling, first, last, weights, bias, y, finish)


@kernel
def _transform_weights(t, w, depth, lanes, width, plane, out):
    """out[p, panel, k, :] = G w[:, :, k, :] G' for each vector of filters; w (r, r', K, L) flat, L whole panels

    Cost: r r' reads and (m + r - 1)(m' + r' - 1) writes a channel pair.
    """
    row, column = t.source_columns * depth * lanes, depth * lanes
    for k in range(depth):
        for f in range(0, lanes, simd.lanes_of(w)):
            o = (f // width * depth + k) * width + f % width
            _apply(t, w, k * lanes + f, row, column, out, o, t.columns * plane, plane)


def _launch(source, w, bias, padding, tile, y, make_finish):
    """Convolve ``source`` with ``w`` (r, r', C, F) into ``y`` (N, OH, OW, F)."""
    taps, dtype, depth, results = w.shape[:2], y.dtype, source.channels, y.shape[3]
    maps = plan.transforms(tile, taps, dtype)
    shape = plan.choose_tile(results, dtype)
    source_shape = (y.shape[0], source.rows, source.columns, depth)
    g, tiling = plan.forward(source_shape, y.shape, padding, tile, taps, shape)
    width = plan.round_up(results, shape.width)
    padded = np.zeros((*taps, depth, width), dtype)
    padded[..., :results] = w
    weights = aligned(plan.planes(tile, taps) * tiling.weight_plane, dtype)
    _transform_weights(maps.kernel, padded.reshape(-1), depth, width, shape.width, tiling.weight_plane, weights)
    padded_bias = np.zeros(width, dtype)
    padded_bias[:results] = bias
    finish = nothing(y) if make_finish is None else make_finish(_block.count_items(g))
    _run(maps.source, maps.result, shape, source, g, tiling, weights, padded_bias, y.reshape(-1), finish)
    return finish


def aligned(size, dtype):
    """An uninitialised array that begins on a cache line."""
    raw = np.empty(size + 16, dtype)
    start = -(raw.ctypes.data // raw.itemsize) % (64 // raw.itemsize)
    return raw[start : start + size]


# ---------------------------------------------------------------- weight gradient


@helper
def _add_products(shape, a, ai, pitch, depth, b, bi, width, tiles, total, at):
    """total[c, l] += Σ_t A[t, c] B[t, l] for one plane: this work item's sum from zero, then added."""
    rows, where = simd.grid_offsets(shape, 1, 1, 0), simd.grid_offsets(shape, 1, width, 0)
    for c in range(0, depth, shape.rows):
        for f in range(0, width, shape.width):
            acc = simd.zeros(shape)
            for t in range(tiles):
                acc = simd.outer_fma(acc, a, simd.opaque(ai + t * pitch + c), rows, b, bi + t * width + f)
            o = at + c * width + f
            simd.tile_store(acc + simd.tile_load(shape, total, o, where), total, o, where)


@helper
def _weights_of(t, products, at, plane, depth, width, filters, dw, o):
    """dw[:, :, c, f] = t of the planes of products, for every channel and filter; dw (r, r', C, F) at ``o``."""
    lanes, row, column = simd.lanes_of(dw), t.columns * depth * filters, depth * filters
    for c in range(depth):
        for f in range(0, filters, lanes):
            planes = simd.grid_offsets(t.source, t.source_columns, simd.opaque(t.source_columns * plane), plane)
            result = simd.transform(t, simd.tile_load(t.source, products, at + c * width + f, planes))
            where = simd.grid_offsets(t.result, t.columns, simd.opaque(row), column)
            simd.tile_store_partial(result, dw, o + c * filters + f, where, filters - f)


@helper
def _weight_items(into, out, back, shape, x, dy, gx, gy, tiling, first, last, totals, at):
    """totals[at:] = the gradient of the work items first..last-1; ``gx`` and ``gy`` are the blocks of x and of dy."""
    planes, lanes = into.rows * into.columns, simd.lanes_of(totals)
    s, start = aligned_empty(totals, tiling.scratch)
    fill_zero(s, start, tiling.scratch)
    x_at, dy_at = start, start + tiling.block_at
    source, result, sums = start + tiling.source_at, start + tiling.result_at, start + tiling.sums_at
    for item in range(first, last):
        rows = (_block.result_rows_of(gx, item) + tiling.high - 1) // tiling.high
        tiles = _block.images_of(gx, item) * rows * tiling.columns
        _block.fill_block(x, gx, item, s, x_at)
        _block.fill_block(dy, gy, item, s, dy_at)
        for t in range(0, tiles, tiling.group):
            count = min(tiling.group, tiles - t)
            _transform_patches(into, gx, tiling, rows, t, count, s, x_at,
                               s, source, tiling.source_plane, lanes, tiling.pitch)  # fmt: skip
            _transform_patches(out, gy, tiling, rows, t, count, s, dy_at,
                               s, result, tiling.result_plane, lanes, tiling.width)  # fmt: skip
            for p in range(planes):
                _add_products(shape, s, source + p * tiling.source_plane, tiling.pitch, tiling.depth,
                              s, result + p * tiling.result_plane, tiling.width, count,
                              s, sums + p * tiling.weight_plane)  # fmt: skip
    _weights_of(back, s, sums, tiling.weight_plane, tiling.depth, tiling.width, gx.results, totals, at)


@parallel_kernel
def _run_weight_grad(into, out, back, shape, x, dy, gx, gy, tiling, totals):
    """totals[chunk] = G' [Σ_tiles (B'dB) ⊙ (A dy A')] G over the chunk's work items; see naive.weight_grad

    x, dy Sources; totals (chunks, r, r', C, F). Owns: a worker writes totals[chunk].
    Cost: planes / (m m' r r') of the multiplications of naive, plus the transforms; scratch stays within L2.
    """
    items, chunks = _block.work_items(gx), totals.shape[0]
    for chunk in prange(chunks):
        first, last = chunk * items // chunks, (chunk + 1) * items // chunks
        at = chunk * totals[0].size
        _weight_items(into, out, back, shape, x, dy, gx, gy, tiling, first, last, totals.reshape(-1), at)


# ---------------------------------------------------------------- the contract


def run_forward(source, w, b, stride, padding, dilation, groups, y, make_finish=None, precision="exact"):
    """As forward, of a Source (see _source); the results are finished as ``make_finish(items)`` tells (see _finish).

    ``precision`` is a row of ``TILES``: "exact", or "fast" with fewer multiplications and more error.
    """
    return _launch(source, w, b, padding, plan.TILES[precision][w.shape[:2]], y, make_finish)


def run_input_grad(source, w, stride, padding, dilation, groups, dx, make_finish=None, precision="exact"):
    """As input_grad, likewise."""
    back = tuple(r - 1 - p for r, p in zip(w.shape[:2], padding, strict=True))
    zeros = np.zeros(dx.shape[3], dx.dtype)
    return _launch(source, turned(w), zeros, back, plan.TILES[precision][w.shape[:2]], dx, make_finish)


def run_weight_grad(x, dy, stride, padding, dilation, groups, dw, precision="exact"):
    """As weight_grad, of two Sources."""
    taps, depth, filters, dtype = dw.shape[:2], dw.shape[2], dw.shape[3], dw.dtype
    tile = plan.TILES[precision][taps]
    maps = plan.transforms(tile, taps, dtype)
    batch = x.first.size // max(1, x.rows * x.columns * depth)
    shape = plan.choose_tile(filters, dtype, rows=depth)
    x_shape, dy_shape = (batch, x.rows, x.columns, depth), (batch, dy.rows, dy.columns, filters)
    gx, gy, tiling = plan.weight_grad(x_shape, dy_shape, padding, tile, taps, shape)
    sums = plan.planes(tile, taps) * tiling.weight_plane * dtype.itemsize
    totals = np.empty((max(2, min(SUMS, SUM_BYTES // sums)), *dw.shape), dtype)
    _run_weight_grad(maps.source, maps.gradient, maps.weight, shape, x, dy, gx, gy, tiling, totals)
    merge(totals.reshape(len(totals), -1), dw.reshape(-1))


def forward(x, w, b, stride, padding, dilation, groups, y):
    """As naive.forward, for strides and dilations of 1 and one group."""
    run_forward(plain(x), w, b, stride, padding, dilation, groups, y)


def input_grad(dy, w, stride, padding, dilation, groups, dx):
    """As naive.input_grad, likewise."""
    run_input_grad(plain(dy), w, stride, padding, dilation, groups, dx)


def weight_grad(x, dy, stride, padding, dilation, groups, dw):
    """As naive.weight_grad, likewise."""
    run_weight_grad(plain(x), plain(dy), stride, padding, dilation, groups, dw)

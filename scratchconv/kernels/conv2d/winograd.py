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
from scratchconv.kernels._jit import helper, inner, kernel, threaded_kernel
from scratchconv.kernels.conv2d import _block
from scratchconv.kernels.conv2d import _winograd_plan as plan
from scratchconv.kernels.conv2d._ahead import fetch_finish, fetch_result, fetch_source, result_stretch, source_stretch
from scratchconv.kernels.conv2d._finish import finish_item
from scratchconv.kernels.conv2d._prepared import Prepared
from scratchconv.kernels.conv2d._source import plain
from scratchconv.kernels.conv2d._weight_grad import bias_grad, merge
from scratchconv.kernels.conv2d._weight_grad import run_weight_grad as direct_weight_grad
from scratchconv.kernels.conv2d._winograd_tiles import Part, apply, multiply, transform_patches, transform_results
from scratchconv.kernels.conv2d.rows import turned

__all__ = [
    "applies",
    "bias_grad",
    "forward",
    "input_grad",
    "pays",
    "prepare_forward",
    "run_forward",
    "run_input_grad",
    "run_weight_grad",
    "weight_grad",
]

CHUNKS = 64  # work items are dealt to at most so many tasks, each with its own scratch
FAR = 3 << 20  # bytes of results from which on they and the source are fetched ahead: smaller ones are in a cache
SUMS, SUM_BYTES = 16, 32 << 20  # partial sums of dw: their number, and bytes they may take while they are planes


def applies(taps, stride, dilation, groups, channels=1, precision="exact"):
    """Whether this algorithm computes a convolution that adds up ``channels``, as exactly as ``precision`` promises."""
    return plan.is_accurate(precision, tuple(taps), channels) and groups == 1 and (*stride, *dilation) == (1, 1, 1, 1)


def pays(channels, filters, pixels):
    """Whether it is faster than direct: channels to share the patches' transforms, pixels to share the kernels'."""
    return min(channels, filters) >= 16 and pixels >= 256


# ---------------------------------------------------------------- forward and input gradient


@inner
def _forward_part(into, back, shape, source, finish, ahead, g, tiling, part, s, start, weights, bias, y, yi):
    """Compute some tiles of a work item whose padded source lies in the scratch ``s``; fetch what comes next."""
    planes, lanes = into.rows * into.columns, simd.lanes_of(y)
    slab, panel = tiling.group * lanes, tiling.depth * shape.width
    transformed, result = start + tiling.source_at, start + tiling.result_at
    share, far = part.first // tiling.group * (tiling.width // shape.width) * planes, y.size * y.itemsize > FAR
    block = start + tiling.block_at
    transform_patches(into, g, tiling, part, s, block, s, transformed, tiling.source_plane, slab, lanes)
    for f in range(0, g.results, shape.width):
        for p in range(planes):
            if far:
                fetch_source(source, ahead[0], share)
                fetch_result(y, ahead[1], share)
                fetch_finish(finish, ahead[1], share)
                share += 1
            multiply(shape, s, transformed + p * tiling.source_plane, slab, tiling.depth,
                     weights, p * tiling.weight_plane + f // shape.width * panel,
                     s, result + p * tiling.result_plane, part.tiles)  # fmt: skip
        transform_results(back, shape, g, tiling, part, s, result, bias, f, y, yi, start)


@helper
def _forward_items(chunk, chunks, into, back, shape, source, g, tiling, weights, bias, y, finish):
    """Compute the work items of one chunk."""
    first, last = _block.chunk_of(g, chunk, chunks)
    s, start = aligned_empty(y, tiling.scratch)
    fill_zero(s, start, tiling.scratch)
    for item in range(first, last):
        rows = (_block.result_rows_of(g, item) + tiling.high - 1) // tiling.high
        top, yi = item % g.strips * g.rows, _block.result_offset(g, item)
        _block.fill_block(source, g, item, s, start + tiling.block_at)
        tiles = _block.images_of(g, item) * rows * tiling.columns
        groups = (tiles + tiling.group - 1) // tiling.group
        shares = groups * (tiling.width // shape.width) * into.rows * into.columns
        ahead = source_stretch(source, g, item + 1, shares), result_stretch(y, g, item, shares)
        for tile in range(0, tiles, tiling.group):
            part = Part(rows, top, tile, min(tiling.group, tiles - tile))
            _forward_part(into, back, shape, source, finish, ahead, g, tiling, part, s, start, weights, bias, y, yi)
        finish_item(finish, g, item, y)


@threaded_kernel
def _run(into, back, shape, source, g, tiling, weights, bias, y, finish):
    """y[·] = bias + A'[Σ_c (B'dB) ⊙ U]A for every tile; see naive.forward

    source, y flat NHWC; weights U (planes, panels, C, width). Owns: a worker writes all results of its work items.
    Cost: planes / (m m' r r') of the multiplications of naive, plus the transforms; scratch stays within L2.
    """
    chunks = min(_block.work_items(g), CHUNKS)
    simd.run_tasks(_forward_items, chunks, chunks, into, back, shape, source, g, tiling, weights, bias, y, finish)


@kernel
def _transform_weights(t, w, depth, lanes, width, plane, out):
    """out[p, panel, k, :] = G w[:, :, k, :] G' for each vector of filters; w (r, r', K, L) flat, L whole panels

    Cost: r r' reads and (m + r - 1)(m' + r' - 1) writes a channel pair.
    """
    row, column = t.source_columns * depth * lanes, depth * lanes
    for k in range(depth):
        for f in range(0, lanes, simd.lanes_of(w)):
            o = (f // width * depth + k) * width + f % width
            apply(t, w, k * lanes + f, row, column, out, o, t.columns * plane, plane)


def _prepare(source, w, bias, padding, tile, y):
    """The convolution of sources like ``source`` with ``w`` (r, r', C, F) into arrays like ``y`` (N, OH, OW, F)."""
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
    return Prepared(_run, (maps.source, maps.result, shape), g, (tiling, weights, padded_bias))


def aligned(size, dtype):
    """An uninitialised array that begins on a cache line."""
    raw = np.empty(size + 16, dtype)
    start = -(raw.ctypes.data // raw.itemsize) % (64 // raw.itemsize)
    return raw[start : start + size]


# ---------------------------------------------------------------- weight gradient


@inner
def _add_products(shape, a, ai, pitch, depth, b, bi, width, tiles, total, at):
    """total[c, l] += Σ_t A[t, c] B[t, l] for one plane: this work item's sum from zero, then added."""
    simd.keep_apart()
    rows, where = simd.grid_offsets(shape, 1, 1, 0), simd.grid_offsets(shape, 1, width, 0)
    for c in range(0, depth, shape.rows):
        for f in range(0, width, shape.width):
            acc = simd.zeros(shape)
            for t in range(tiles):
                acc = simd.outer_fma(acc, a, simd.opaque(ai + t * pitch + c), rows, b, bi + t * width + f)
            o = at + c * width + f
            simd.tile_store(acc + simd.tile_load(shape, total, o, where), total, o, where)


@inner
def _weights_of(t, products, at, plane, depth, width, filters, dw, o):
    """dw[:, :, c, f] = t of the planes of products, for every channel and filter; dw (r, r', C, F) at ``o``."""
    simd.keep_apart()
    lanes, row, column = simd.lanes_of(dw), t.columns * depth * filters, depth * filters
    for c in range(depth):
        for f in range(0, filters, lanes):
            planes = simd.grid_offsets(t.source, t.source_columns, simd.opaque(t.source_columns * plane), plane)
            result = simd.transform(t, simd.tile_load(t.source, products, at + c * width + f, planes))
            where = simd.grid_offsets(t.result, t.columns, simd.opaque(row), column)
            simd.tile_store_partial(result, dw, o + c * filters + f, where, filters - f)


@helper
def _weight_items(chunk, chunks, into, out, back, shape, x, dy, gx, gy, tiling, totals):
    """totals[chunk] = the gradient of its work items; ``gx`` and ``gy`` are the blocks of x and of dy."""
    (first, last), at = _block.chunk_of(gx, chunk, chunks), chunk * (totals.size // chunks)
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
        shares = (tiles + tiling.group - 1) // tiling.group * planes
        next_x, next_dy = source_stretch(x, gx, item + 1, shares), source_stretch(dy, gy, item + 1, shares)
        for t in range(0, tiles, tiling.group):
            part = Part(rows, 0, t, min(tiling.group, tiles - t))
            transform_patches(into, gx, tiling, part, s, x_at, s, source, tiling.source_plane, lanes, tiling.pitch)
            transform_patches(out, gy, tiling, part, s, dy_at, s, result, tiling.result_plane, lanes, tiling.width)
            for p in range(planes):
                share = t // tiling.group * planes + p
                fetch_source(x, next_x, share)
                fetch_source(dy, next_dy, share)
                _add_products(shape, s, source + p * tiling.source_plane, tiling.pitch, tiling.depth,
                              s, result + p * tiling.result_plane, tiling.width, part.tiles,
                              s, sums + p * tiling.weight_plane)  # fmt: skip
    _weights_of(back, s, sums, tiling.weight_plane, tiling.depth, tiling.width, gx.results, totals, at)


@threaded_kernel
def _run_weight_grad(into, out, back, shape, x, dy, gx, gy, tiling, totals):
    """totals[chunk] = G' [Σ_tiles (B'dB) ⊙ (A dy A')] G over the chunk's work items; see naive.weight_grad

    x, dy Sources; totals (chunks, r, r', C, F). Owns: a worker writes totals[chunk].
    Cost: planes / (m m' r r') of the multiplications of naive, plus the transforms; scratch stays within L2.
    """
    chunks, flat = totals.shape[0], totals.reshape(-1)
    simd.run_tasks(_weight_items, chunks, chunks, into, out, back, shape, x, dy, gx, gy, tiling, flat)


# ---------------------------------------------------------------- the contract


def prepare_forward(source, w, b, stride, padding, dilation, groups, y, precision="exact"):
    """Make run_forward ready for sources like ``source`` and results like ``y``, whose numbers are not looked at."""
    return _prepare(source, w, b, padding, plan.choose_results(precision, w.shape[:2], w.shape[2]), y)


def run_forward(source, w, b, stride, padding, dilation, groups, y, make_finish=None, precision="exact"):
    """As forward, of a Source (see _source); the results are finished as ``make_finish(items)`` tells (see _finish).

    ``precision`` is a row of ``TILES``: "exact", or "fast" with fewer multiplications and more error.
    """
    prepared = prepare_forward(source, w, b, stride, padding, dilation, groups, y, precision)
    return prepared.run(source, y, make_finish)


def run_input_grad(source, w, stride, padding, dilation, groups, dx, make_finish=None, precision="exact"):
    """As input_grad, likewise."""
    back = tuple(r - 1 - p for r, p in zip(w.shape[:2], padding, strict=True))
    zeros = np.zeros(dx.shape[3], dx.dtype)
    tile = plan.choose_results(precision, w.shape[:2], w.shape[3])
    return _prepare(source, turned(w), zeros, back, tile, dx).run(source, dx, make_finish)


def run_weight_grad(x, dy, stride, padding, dilation, groups, dw, precision="exact"):
    """As weight_grad, of two Sources."""
    taps, depth, filters, dtype = dw.shape[:2], dw.shape[2], dw.shape[3], dw.dtype
    batch = x.first.size // max(1, x.rows * x.columns * depth)
    tile = plan.choose_results(precision, taps, batch * dy.rows * dy.columns, plan.WEIGHT_TILES)
    if tile == plan.DIRECT:
        direct_weight_grad(x, dy, stride, padding, dilation, groups, dw)
        return
    maps = plan.transforms(tile, taps, dtype)
    shape = plan.choose_tile(filters, dtype, rows=depth)
    x_shape, dy_shape = (batch, x.rows, x.columns, depth), (batch, dy.rows, dy.columns, filters)
    gx, gy, tiling = plan.weight_grad(x_shape, dy_shape, padding, tile, taps, shape)
    sums = plan.planes(tile, taps) * tiling.weight_plane * dtype.itemsize
    totals = np.empty((max(1, min(max(2, min(SUMS, SUM_BYTES // sums)), _block.count_items(gx))), *dw.shape), dtype)
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

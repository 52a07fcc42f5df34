"""Winograd's backward pass: both gradients of a convolution from one transform of dy.

The input gradient is a convolution of dy with the kernels turned round: dx = A'[(B' dy B) ⊙ U]A, tile after tile of dx.
Its derivative with respect to those turned kernels, in the direction of x, is the weight gradient:
dw turned = G' [Σ_tiles (A x A') ⊙ (B' dy B)] G. Both read the same planes of dy, which is read and transformed once.
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._copy import aligned_empty
from scratchconv.kernels._jit import helper, inner, threaded_kernel
from scratchconv.kernels.conv2d import _block
from scratchconv.kernels.conv2d import _winograd_plan as plan
from scratchconv.kernels.conv2d._ahead import fetch_finish, fetch_source, result_stretch, source_stretch
from scratchconv.kernels.conv2d._finish import begin, finish_item, streams_into
from scratchconv.kernels.conv2d._merge import merge
from scratchconv.kernels.conv2d._winograd_tiles import (
    Part,
    clear_padding,
    multiply,
    transform_patches,
    transform_results,
)
from scratchconv.kernels.conv2d._winograd_weights import transform_weights
from scratchconv.kernels.conv2d.rows import turned

SUMS, SUM_BYTES = 16, 32 << 20  # partial sums of dw: their number, and bytes they may take while they are planes


@inner
def _add_products(shape, a, ai, slab, depth, b, bi, width, tiles, total, at, fresh):
    """total[k, l] += Σ_t A[t, k] B[t, l] for one plane: the sum of these tiles from zero, then added.

    A lies in slabs of one vector of channels, as in ``multiply``; a ``fresh`` total holds nothing yet.
    """
    simd.keep_apart()
    lanes = simd.lanes_of(a)
    rows, where = simd.grid_offsets(shape, 1, 1, 0), simd.grid_offsets(shape, 1, width, 0)
    for k in range(0, depth, shape.rows):
        first = ai + k // lanes * slab + k % lanes
        for f in range(0, width, shape.width):
            acc = simd.zeros(shape)
            for t in range(tiles):
                acc = simd.outer_fma(acc, a, simd.opaque(first + t * lanes), rows, b, bi + t * width + f)
            o = at + k * width + f
            if not fresh:
                acc = acc + simd.tile_load(shape, total, o, where)
            simd.tile_store(acc, total, o, where)


@inner
def _weights_of(t, products, at, plane, depth, width, lanes, dw, o):
    """dw[:, :, k, l] = t of the planes of products, for every k < depth and l < lanes; dw (r, r', depth, lanes)."""
    simd.keep_apart()
    row, column = t.columns * depth * lanes, depth * lanes
    for k in range(depth):
        for f in range(0, lanes, simd.lanes_of(dw)):
            planes = simd.grid_offsets(t.source, t.source_columns, simd.opaque(t.source_columns * plane), plane)
            result = simd.transform(t, simd.tile_load(t.source, products, at + k * width + f, planes))
            where = simd.grid_offsets(t.result, t.columns, simd.opaque(row), column)
            simd.tile_store_partial(result, dw, o + k * lanes + f, where, lanes - f)


@inner
def _products_of(maps, x, dy, finish, ahead, g, tiling, part, s, start, weights, fresh):
    """Multiply plane by plane, for dw and, if there are ``weights``, for dx; fetch what comes next."""
    shape, slab = maps.tile, tiling.group * simd.lanes_of(s)
    planes, panel = maps.source.rows * maps.source.columns, tiling.depth * shape.width
    share = part.first // tiling.group * planes
    for p in range(planes):
        fetch_source(dy, ahead[0], share + p)
        fetch_source(x, ahead[1], share + p)
        fetch_finish(finish, ahead[2], share + p)
        source = start + tiling.source_at + p * tiling.source_plane
        _add_products(maps.products, s, source, slab, tiling.depth,
                      s, start + tiling.tiles_at + p * tiling.tiles_plane, tiling.lanes, part.tiles,
                      s, start + tiling.sums_at + p * tiling.sums_plane, fresh)  # fmt: skip
        if weights.size:
            for f in range(0, tiling.width, shape.width):
                multiply(shape, s, source, slab, tiling.depth,
                         weights, p * tiling.weight_plane + f // shape.width * panel,
                         s, start + tiling.result_at + (f // shape.width * planes + p) * tiling.result_plane,
                         part.tiles)  # fmt: skip


@inner
def _part_of_item(maps, x, dy, finish, ahead, gx, g, tiling, part, s, start, weights, bias, fresh):
    """One group of tiles of a work item whose dy and x lie in the scratch ``s``."""
    shape, lanes = maps.tile, simd.lanes_of(s)
    planes, out = maps.source.rows * maps.source.columns, start + tiling.out_at
    transform_patches(maps.source, g, tiling, part, s, start + tiling.block_at,
                      s, start + tiling.source_at, tiling.source_plane, tiling.group * lanes, lanes)  # fmt: skip
    transform_patches(maps.gradient, gx, tiling, part, s, start + tiling.x_at,
                      s, start + tiling.tiles_at, tiling.tiles_plane, lanes, tiling.lanes)  # fmt: skip
    _products_of(maps, x, dy, finish, ahead, g, tiling, part, s, start, weights, fresh)
    if weights.size:
        for f in range(0, g.results, shape.width):
            products = start + tiling.result_at + f // shape.width * planes * tiling.result_plane
            transform_results(maps.result, shape, g, tiling, part, s, products, bias, f, s, out, start)


@helper
def _items(chunk, chunks, maps, x, dy, gx, g, tiling, weights, bias, totals, dx, finish):
    """Compute dx of the work items of one chunk, and totals[chunk] = their part of dw turned."""
    first, last = _block.chunk_of(g, chunk, chunks)
    planes = maps.source.rows * maps.source.columns
    s, start = aligned_empty(dx, tiling.scratch)
    streams, fresh = streams_into(dx, g.results), True
    clear_padding(s, start + tiling.block_at, g)
    clear_padding(s, start + tiling.x_at, gx)
    for item in range(first, last):
        rows = (_block.result_rows_of(g, item) + tiling.high - 1) // tiling.high
        _block.fill_block(dy, g, item, s, start + tiling.block_at)
        _block.fill_block(x, gx, item, s, start + tiling.x_at)
        tiles = _block.images_of(g, item) * rows * tiling.columns
        shares = (tiles + tiling.group - 1) // tiling.group * planes
        ahead = (source_stretch(dy, g, item + 1, shares), source_stretch(x, gx, item + 1, shares),
                 result_stretch(dx, g, item, shares))  # fmt: skip
        for tile in range(0, tiles, tiling.group):
            part = Part(rows, item % g.strips * g.rows, tile, min(tiling.group, tiles - tile))
            _part_of_item(maps, x, dy, finish, ahead, gx, g, tiling, part, s, start, weights, bias, fresh)
            fresh = False
        if weights.size:
            finish_item(finish, g, item, s, start + tiling.out_at, dx, streams)
    _weights_of(maps.weight, s, start + tiling.sums_at, tiling.sums_plane, tiling.depth, tiling.lanes, g.results,
                totals, chunk * (totals.size // chunks))  # fmt: skip
    simd.settle()


@threaded_kernel
def _run(maps, x, dy, gx, g, tiling, weights, bias, totals, dx, finish):
    """Dx and, chunk by chunk, totals[chunk] = dw turned; see naive.input_grad, naive.weight_grad

    x, dy Sources; ``gx``, ``g`` the blocks of x and dy; dx flat NHWC; weights U (planes, panels, F, width) of the
    turned kernels, empty if dx is not wanted; totals (chunks, r, r', F, C). Owns: a worker writes dx of its work items
    and totals[chunk]. Cost: planes / (m m' r r') of the multiplications of naive, for each gradient, plus the
    transforms; reads x and dy once from memory, scratch stays within L2.
    """
    chunks, flat = totals.shape[0], totals.reshape(-1)
    simd.run_tasks(_items, chunks, chunks, maps, x, dy, gx, g, tiling, weights, bias, flat, dx, finish)


def launch(x, dy, w, padding, tile, dx, dw, make_finish):
    """Write dw, and dx if ``w`` is given: without it, ``dx`` only tells the number of images (N, 0)."""
    taps, (channels, filters), dtype = dw.shape[:2], dw.shape[2:], dw.dtype
    maps = plan.transforms(tile, taps, channels, filters, dtype)
    back = tuple(r - 1 - p for r, p in zip(taps, padding, strict=True))
    x_shape, dy_shape = ((dx.shape[0], s.rows, s.columns, s.channels) for s in (x, dy))
    gx, g, tiling = plan.backward(dy_shape, x_shape, back, tile, taps, maps.tile, maps.products)
    weights = np.empty(0, dtype) if w is None else transform_weights(maps, turned(w), tiling)
    finish = begin(dx, g, make_finish)
    sums = plan.planes(tile, taps) * tiling.sums_plane * dtype.itemsize
    chunks = max(1, min(max(2, min(SUMS, SUM_BYTES // sums)), _block.count_items(g)))
    totals = np.empty((chunks, *taps, filters, channels), dtype)
    _run(maps, x, dy, gx, g, tiling, weights, np.zeros(tiling.width, dtype), totals, dx.reshape(-1), finish)
    total = np.empty(totals.shape[1:], dtype)
    merge(totals.reshape(-1), total.reshape(-1))
    dw[...] = turned(total)
    return finish

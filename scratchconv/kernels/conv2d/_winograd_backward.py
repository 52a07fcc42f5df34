"""Winograd's backward pass: both gradients of a convolution from one transform of dy.

The input gradient is a convolution of dy with the kernels turned round: dx = A'[(B' dy B) ⊙ U]A, tile after tile of dx.
Its derivative with respect to those turned kernels, in the direction of x, is the weight gradient:
dw turned = G' [Σ_tiles (A x A') ⊙ (B' dy B)] G. Both read the same planes of dy, which is read and transformed once.
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels import _tape
from scratchconv.kernels._copy import aligned_empty, fill_zero
from scratchconv.kernels._jit import helper, inner, threaded_kernel
from scratchconv.kernels.conv2d import _block
from scratchconv.kernels.conv2d import _winograd_plan as plan
from scratchconv.kernels.conv2d._ahead import LIST, begin_list, end_list, list_finish, list_source, take
from scratchconv.kernels.conv2d._finish import begin, finish_item, finish_pixels
from scratchconv.kernels.conv2d._merge import merge
from scratchconv.kernels.conv2d._panels import turned_copy
from scratchconv.kernels.conv2d._winograd_tiles import (
    Part,
    clear_padding,
    comes_in_parts,
    multiply,
    planes_of,
    rows_before,
    transform_patches,
    transform_results,
)
from scratchconv.kernels.conv2d._winograd_weights import transform_weights

SUMS, SUM_BYTES = 16, 32 << 20  # partial sums of dw: their number, and bytes they may take while they are planes
WORTH = 512  # tiles that are worth a partial sum: to turn its planes into a part of dw takes as long as some tiles do
DW_BYTES = 5 << 18  # bytes that the parts of dw may take: from a cache that is not far, they are merged in less time


@inner
def _add_products(maps, tiling, tiles, s, a, b, total, fresh, ahead):
    """total[q, c, f] += Σ_{p,t} A[p, t, c] B[p, t, f] over the planes p of each plane q of kernels, and over ``tiles``.

    The sum of these is taken from zero, then added; a ``fresh`` total holds nothing yet. All lie in the scratch ``s``:
    A, of x, tile after tile; B, of dy, in slabs as in ``multiply``.
    """
    simd.keep_apart()
    shape, lanes, width = maps.products, simd.lanes_of(s), tiling.sums_width
    rows, where = simd.grid_offsets(shape, 1, 1, 0), simd.grid_offsets(shape, 1, width, 0)
    fetched, slab = 64 // s.itemsize, tiling.group * lanes
    for q in range(maps.kernel.rows * maps.kernel.columns):
        top, below, left, right = planes_of(maps, q)
        for c in range(0, tiling.lanes, shape.rows):
            for f in range(0, width, shape.width):
                next_line, last = take(ahead, tiles * (below - top) * (right - left))
                acc = simd.zeros(shape)
                for i in range(top, below):
                    for j in range(left, right):
                        p = i * maps.source.columns + j
                        ai, bi = a + p * tiling.tiles_plane + c, b + p * tiling.source_plane + f * tiling.group
                        for t in range(tiles):
                            simd.prefetch(s, next_line)
                            next_line = min(next_line + fetched, last)
                            first = simd.opaque(ai + t * tiling.lanes)
                            acc = simd.outer_fma_apart(acc, s, first, rows, s, bi + t * lanes, slab)
                o = total + q * tiling.sums_plane + c * width + f
                if not fresh:
                    acc = acc + simd.tile_load(shape, s, o, where)
                simd.tile_store(acc, s, o, where)


@inner
def _weights_of(t, products, at, plane, channels, width, filters, dw, o):
    """dw[:, :, c, f] = t of the planes of products turned round, for all channels c and filters f."""
    simd.keep_apart()
    column = channels * filters
    row, last = t.columns * column, o + (t.rows * t.columns - 1) * column
    for c in range(channels):
        for f in range(0, filters, simd.lanes_of(dw)):
            planes = simd.grid_offsets(t.source, t.source_columns, simd.opaque(t.source_columns * plane), plane)
            result = simd.transform(t, simd.tile_load(t.source, products, at + c * width + f, planes))
            where = simd.grid_offsets(t.result, t.columns, simd.opaque(-row), -column)
            simd.tile_store_partial(result, dw, last + c * filters + f, where, filters - f)


@inner
def _part_of_item(maps, ahead, gx, g, tiling, part, s, start, weights, bias, fresh, before):
    """Compute one group of tiles of a work item whose dy and x lie in the scratch ``s``: dw and, with weights, dx.

    As many elements of dx ``before`` its own need no room.
    """
    shape, lanes = maps.tile, simd.lanes_of(s)
    source, tiles = start + tiling.source_at, start + tiling.tiles_at
    transform_patches(maps.source, g, tiling, part, s, start + tiling.block_at,
                      s, source, tiling.source_plane, tiling.group * lanes, lanes, ahead)  # fmt: skip
    transform_patches(maps.gradient, gx, tiling, part, s, start + tiling.x_at,
                      s, tiles, tiling.tiles_plane, lanes, tiling.lanes, ahead)  # fmt: skip
    _add_products(maps, tiling, part.tiles, s, tiles, source, start + tiling.sums_at, fresh, ahead)
    if weights.size:
        for panel in range(tiling.width // shape.width):
            products, w = start + tiling.result_at, panel * tiling.depth * shape.width
            multiply(maps, tiling, part.tiles, s, source, weights, w, products, ahead)
            transform_results(maps.result, shape, g, tiling, part, s, products, bias, panel * shape.width,
                              s, start + tiling.out_at - before, start)  # fmt: skip


@inner
def _count_steps(maps, tiling, tiles, both):
    """Steps of the innermost loops for as many tiles: of the products, and of dx if ``both`` gradients are wanted."""
    steps = tiling.lanes // maps.products.rows * (tiling.sums_width // maps.products.width) * tiles
    if both:
        steps += (tiles + maps.tile.rows - 1) // maps.tile.rows * (tiling.width // maps.tile.width) * tiling.depth
    return steps * maps.source.rows * maps.source.columns


@helper
def _items(chunk, chunks, maps, x, dy, gx, g, tiling, weights, bias, totals, dx, finish):
    """Compute dx of the work items of one chunk, and totals[chunk] = their part of dw."""
    first, last = _block.chunk_of(g, chunk, chunks)
    s, start = aligned_empty(dx, tiling.scratch)
    ahead, fresh = np.empty(LIST, np.int64), True
    clear_padding(s, start + tiling.block_at, g)
    clear_padding(s, start + tiling.x_at, gx)
    parted = comes_in_parts(tiling, finish.kind)
    for item in range(first, last):
        height = _block.result_rows_of(g, item)
        rows = (height + g.spread - 1) // g.spread
        _block.fill_block(dy, g, item, s, start + tiling.block_at)
        _block.fill_block(x, gx, item, s, start + tiling.x_at)
        tiles = _block.images_of(g, item) * rows * tiling.columns
        steps = _count_steps(maps, tiling, tiles, weights.size > 0)
        begin_list(ahead)
        list_finish(ahead, s, finish, dx, g, item, x)
        list_source(ahead, s, dy, g, item + 1)
        list_source(ahead, s, x, gx, item + 1)
        end_list(ahead, s, steps)
        for tile in range(0, tiles, tiling.group):
            part = Part(rows, item % g.strips * g.rows * g.spread, tile, min(tiling.group, tiles - tile))
            before = rows_before(tile // tiling.columns, rows, g.spread, height) * g.result_w if parted else 0
            _part_of_item(maps, ahead, gx, g, tiling, part, s, start, weights, bias, fresh, before * g.results)
            if weights.size and parted:
                after = rows_before((tile + part.tiles) // tiling.columns, rows, g.spread, height) * g.result_w
                finish_pixels(finish, g, item, before, after - before, s, start + tiling.out_at, dx)
            fresh = False
        if weights.size and not parted:
            finish_item(finish, g, item, s, start + tiling.out_at, dx)
    size = totals.size // chunks
    if fresh:  # an empty batch
        fill_zero(totals, chunk * size, size)
    else:
        _weights_of(maps.weight, s, start + tiling.sums_at, tiling.sums_plane, g.results, tiling.sums_width,
                    tiling.depth, totals, chunk * size)  # fmt: skip
    simd.settle()


@threaded_kernel
def _run(maps, x, dy, gx, g, tiling, weights, bias, totals, dx, finish):
    """Dx and, chunk by chunk, totals[chunk] = the parts of dw; see naive.input_grad, naive.weight_grad

    x, dy Sources; ``gx``, ``g`` the blocks of x and dy; dx flat NHWC; weights U (planes, panels, F, width) of the
    turned kernels, empty if dx is not wanted; totals (chunks, r, r', C, F). Owns: a worker writes dx of its work items
    and totals[chunk]. Cost: planes / (m m' r r') of the multiplications of naive, for each gradient, plus the
    transforms; reads x and dy once from memory, scratch stays within L2.
    """
    chunks, flat = totals.shape[0], totals.reshape(-1)
    simd.run_tasks(_items, chunks, chunks, maps, x, dy, gx, g, tiling, weights, bias, flat, dx, finish)


def launch(x, dy, w, stride, padding, tile, dx, dw, make_finish):
    """Write dw, and dx if ``w`` is given: without it, ``dx`` only tells the number of images (N, 0)."""
    taps, (channels, filters), dtype = dw.shape[:2], dw.shape[2:], dw.dtype
    maps = plan.backward_transforms(tile, taps, stride, padding, channels, filters, dtype)
    x_shape, dy_shape = ((dx.shape[0], s.rows, s.columns, s.channels) for s in (x, dy))
    gx, g, tiling = plan.backward(dy_shape, x_shape, plan.first_input(taps, stride, padding), tile, maps)
    weights = np.empty(0, dtype) if w is None else transform_weights(maps, turned_copy(w), tiling)
    finish = begin(dx, g, make_finish)
    chunks = _count_sums(maps, tiling, g, dw.nbytes, dtype.itemsize)
    totals = _tape.scratch((chunks, dw.size), dtype)
    _run(maps, x, dy, gx, g, tiling, weights, np.zeros(tiling.width, dtype), totals, dx.reshape(-1), finish)
    merge(totals, dw.reshape(-1))
    return finish


def _count_sums(maps, tiling, g, dw_bytes, itemsize):
    """How many partial sums of dw there are; a work item has one at most."""
    tiles = g.batch * tiling.columns * -(-g.result_h // g.spread)
    sums = maps.kernel.rows * maps.kernel.columns * tiling.sums_plane * itemsize
    wanted = max(2, min(SUMS, SUM_BYTES // sums, DW_BYTES // dw_bytes, max(4, tiles // WORTH // 2 * 2)))
    return max(1, min(wanted, _block.count_items(g)))

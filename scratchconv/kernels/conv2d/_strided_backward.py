"""Both gradients of a convolution with stride 2 in one pass, which reads x and dy once from memory."""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels import _tape
from scratchconv.kernels._copy import aligned_empty, fill_zero
from scratchconv.kernels._jit import helper, inner, threaded_kernel
from scratchconv.kernels.conv2d import _block
from scratchconv.kernels.conv2d import _strided_plan as plan
from scratchconv.kernels.conv2d._ahead import LIST, begin_list, end_list, list_finish, list_source, take
from scratchconv.kernels.conv2d._finish import begin, finish_item
from scratchconv.kernels.conv2d._merge import merge
from scratchconv.kernels.conv2d._strided_tiles import clear_slabs, convolve_back, fill_slabs
from scratchconv.kernels.conv2d._strided_weights import pack_back, unpack_products

SUMS, SUM_BYTES = 16, 32 << 20  # partial sums of dw: their number, and bytes they may take together


@inner
def _stretch(g, rows):
    """Rows of dy whose products are summed in registers; whole images if there are several."""
    return rows if g.images > 1 else max(1, min(rows, plan.SUMMED // max(1, g.result_w)))


@inner
def _add_products(shape, s, xi, gx, dy_at, slab, g, images, rows, total, o, fresh, ahead):
    """total[k, v, c] += Σ_{n,i,j} dy[n, i, j, k] x[n, 2i, 2j + v, c] for all filters k and taps v of a kernel row.

    One vector of channels c. The sum of these pixels from zero, then added; a ``fresh`` total holds nothing yet.
    """
    simd.keep_apart()
    lanes, x_line, dy_line = simd.lanes_of(s), gx.width * gx.pixel, g.width * g.pixel
    filters, where = simd.grid_offsets(shape, 1, 1, 0), simd.grid_offsets(shape, 1, shape.width, 0)
    fetched = 64 // s.itemsize
    for f in range(0, (g.channels + lanes - 1) // lanes * lanes, shape.rows):
        next_line, last = take(ahead, s, images * rows * gx.result_w)
        acc, di = simd.zeros(shape), dy_at + f // lanes * slab + f % lanes
        for n in range(images):
            for i in range(rows):
                x, dy = xi + (n * gx.height + 2 * i) * x_line, di + (n * g.height + i) * dy_line
                for j in range(gx.result_w):
                    simd.prefetch(s, next_line)
                    next_line = min(next_line + fetched, last)
                    acc = simd.outer_fma(acc, s, simd.opaque(dy + j * lanes), filters, s, x + 2 * j * lanes)
        if not fresh:
            acc = acc + simd.tile_load(shape, total, o, where)
        simd.tile_store(acc, total, o, where)
        o += shape.rows * shape.width


@inner
def _weight_item(shape, s, start, layout, gx, g, images, rows, total, at, fresh, ahead):
    """Add a work item's part of dw to ``total[at:]``, (KH, slabs of x, filters, KW, lanes)."""
    lanes, stretch = simd.lanes_of(s), _stretch(gx, rows)
    filters = (g.channels + lanes - 1) // lanes * lanes
    for i in range(0, rows, stretch):
        o = at
        for u in range(3):
            for c in range(0, gx.channels, lanes):
                x = start + layout.x_at + c // lanes * layout.x_slab + (2 * i + u) * gx.width * lanes
                dy = start + layout.dy_at + i * g.width * lanes
                _add_products(shape, s, x, gx, dy, layout.dy_slab, g, images, min(stretch, rows - i),
                             total, o, fresh, ahead)  # fmt: skip
                o += filters * shape.width
        fresh = False


@inner
def _input_item(tiles, s, start, layout, g, images, high, weights, slabs, ahead):
    """Compute dx of a work item, of ``high`` rows an image."""
    lanes = simd.lanes_of(s)
    for c in range(0, g.results, lanes):
        for n in range(images):
            convolve_back(tiles, s, start, layout, g, n, high, weights, c * 9 * slabs * lanes, c, ahead)


@inner
def _count_steps(tiles, gx, g, images, rows, lanes, products, blocks):
    """Steps of the innermost loops for a work item: of the ``products`` and of the ``blocks`` of dx, if wanted."""
    slabs, filters = (gx.channels + lanes - 1) // lanes, (g.channels + lanes - 1) // lanes * lanes
    wide = (gx.result_w + tiles.blocks.rows - 1) // tiles.blocks.rows
    steps = 0
    if products:
        steps += 3 * slabs * (filters // tiles.products.rows) * images * rows * gx.result_w
    if blocks:
        steps += slabs * images * rows * wide * filters
    return steps


@helper
def _list_ahead(ahead, s, x, dy, gx, g, item, dx, finish, both):
    """Write down what to fetch while a work item is computed: what its finish reads, then what the next one reads."""
    begin_list(ahead)
    list_finish(ahead, s, finish, dx, g, item)
    list_source(ahead, s, dy, g, item + 1)
    if both:
        list_source(ahead, s, x, gx, item + 1)


@helper
def _items(chunk, chunks, tiles, x, dy, gx, g, layout, weights, totals, dx, finish):
    """Compute dx of the work items of one chunk, if there are ``weights``, and totals[chunk], if there are any."""
    first, last = _block.chunk_of(gx, chunk, chunks)
    s, start = aligned_empty(dx, layout.scratch)
    ahead = np.empty(LIST, np.int64)
    size, lanes, fresh = totals.size // chunks, simd.lanes_of(dx), True
    clear_slabs(s, start + layout.x_at, layout.x_slab, gx)
    clear_slabs(s, start + layout.dy_at, layout.dy_slab, g)
    for item in range(first, last):
        images, rows, high = _block.images_of(gx, item), _block.rows_of(gx, item), _block.result_rows_of(g, item)
        _list_ahead(ahead, s, x, dy, gx, g, item, dx, finish, size > 0)
        end_list(ahead, s, _count_steps(tiles, gx, g, images, rows, lanes, size > 0, weights.size > 0))
        fill_slabs(dy, g, item, s, start + layout.dy_at, layout.dy_slab)
        if size:
            fill_slabs(x, gx, item, s, start + layout.x_at, layout.x_slab)
            _weight_item(tiles.products, s, start, layout, gx, g, images, rows, totals, chunk * size, fresh, ahead)
            fresh = False
        if weights.size:
            _input_item(tiles, s, start, layout, g, images, high, weights, weights.shape[1], ahead)
            finish_item(finish, g, item, s, start + layout.out_at, dx)
    if fresh:
        fill_zero(totals, chunk * size, size)
    simd.settle()


@threaded_kernel
def _run(tiles, x, dy, gx, g, layout, weights, totals, dx, finish):
    """Dx and, chunk by chunk, the sums that make dw; see naive.input_grad, naive.weight_grad

    x, dy Sources; ``gx``, ``g`` the blocks of x and dy; dx flat NHWC; weights (slabs of x, of dy, lanes, taps, lanes),
    empty if dx is not wanted; totals (chunks, size), empty if dw is not wanted. Owns: a worker writes dx of its work
    items and totals[chunk]. Cost: that of naive; reads x and dy once from memory, scratch stays within L2.
    """
    chunks, flat = totals.shape[0], totals.reshape(-1)
    simd.run_tasks(_items, chunks, chunks, tiles, x, dy, gx, g, layout, weights, flat, dx, finish)


def launch(x, dy, w, dx, dw, make_finish, batch):
    """Write dx from ``w`` and dy, if both are given, and dw from x and dy, if it is given."""
    dtype = dy.first.dtype
    lanes, shapes = simd.lanes(dtype), plan.tiles(dtype)
    x_shape, dy_shape = ((batch, s.rows, s.columns, s.channels) for s in (x, dy))
    gx, g, layout = plan.backward(x_shape, dy_shape, dtype)
    weights = np.empty((0, 0, 0, 0, 0), dtype) if w is None else pack_back(w, lanes)
    finish = begin(dx, g, make_finish)
    items = _block.count_items(gx)
    size = 0 if dw is None else 9 * plan.round_up(x.channels, lanes) * plan.round_up(dy.channels, lanes)
    chunks = 64 if dw is None else max(2, min(SUMS, SUM_BYTES // max(1, size * dtype.itemsize)))
    totals = _tape.scratch((max(1, min(chunks, items)), size), dtype)
    _run(shapes, x, dy, gx, g, layout, weights, totals, dx.reshape(-1), finish)
    if dw is not None:
        total = _tape.scratch((size,), dtype)
        merge(totals, total)
        unpack_products(total, lanes, dw)
    return finish

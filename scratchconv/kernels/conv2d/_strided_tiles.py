"""The pieces of the convolution with stride 2: the copy into slabs, and the loops over register tiles.

Everything here works on the scratch ``s`` of one worker; ``_strided_plan`` says what lies where.
"""

from __future__ import annotations

from scratchconv import simd
from scratchconv.kernels._copy import fill_zero
from scratchconv.kernels._jit import inner
from scratchconv.kernels.conv2d._ahead import take
from scratchconv.kernels.conv2d._block import frame, images_of, inside
from scratchconv.kernels.conv2d._source import read_vectors


@inner
def clear_slabs(s, at, slab, g):
    """Zero the slabs of the block ``g`` if the last one has lanes without channel: nothing else writes those."""
    if g.channels % g.pixel:
        fill_zero(s, at, (g.channels // g.pixel + 1) * slab)


@inner
def fill_slabs(source, g, item, s, at, slab):
    """Copy the work item's source rows to the slabs at ``at``, zeros where they leave the image."""
    image, line = item // g.strips * g.images, g.width * g.pixel
    top, above, below, left, right = inside(g, item)
    for n in range(images_of(g, item)):
        for c in range(0, g.channels, g.pixel):
            o = at + c // g.pixel * slab + n * g.height * line
            read_vectors(source, image + n, top + above, below - above, left + g.left, c, right - left,
                         s, o + above * line + left * g.pixel, line, g.pixel)  # fmt: skip
            frame(g, above, below, left, right, s, o)


@inner
def _copy_edge(s, edge, edge_row, width, o, row, step, high, wide, live):
    """Copy ``high`` x ``wide`` pixels, ``live`` elements of each, from ``edge``, pixels ``width`` apart, to ``o``."""
    simd.keep_apart()
    for i in range(high):
        for j in range(wide):
            for v in range(0, width, simd.lanes_of(s)):
                value = simd.load(s, edge + i * edge_row + j * width + v)
                simd.store_partial(s, o + i * row + j * step + v, value, live - v)


@inner
def convolve(shape, s, start, layout, g, n, rows, weights, wi, bias, f, ahead):
    """y[i, j, f:] = bias[f:] + Σ_{u,c,v} x[2i + u, 2j + v, c] w[u, v, c, f:] for image ``n`` of a work item.

    The taps of a kernel row lie side by side in a slab. Fetches from the list ``ahead``.
    """
    simd.keep_apart()
    lanes, line = simd.lanes_of(s), g.width * g.pixel
    windows, run = simd.grid_offsets(shape, 1, 2 * lanes, 0), 3 * lanes
    fetched, steps = 64 // s.itemsize, 9 * ((g.channels + lanes - 1) // lanes * lanes)
    for i in range(rows):
        o = start + layout.out_at + (n * g.result_h + i) * g.result_w * g.results + f
        for j in range(0, g.result_w, shape.rows):
            next_line, last = take(ahead, s, steps)
            acc, w = simd.spread(shape, bias, f), wi
            for u in range(3):
                window = start + layout.x_at + (n * g.height + 2 * i + u) * line + 2 * j * lanes
                for _ in range(0, g.channels, lanes):
                    for k in range(run):
                        simd.prefetch(s, next_line)
                        next_line = min(next_line + fetched, last)
                        acc = simd.outer_fma(acc, s, simd.opaque(window + k), windows, weights, w + k * shape.width)
                    w += run * shape.width
                    window += layout.x_slab
            whole = j + shape.rows <= g.result_w and f + shape.width <= g.results
            to, step = (o + j * g.results, g.results) if whole else (start, shape.width)
            simd.tile_store(acc, s, to, simd.grid_offsets(shape, 1, simd.opaque(step), 0))
            if not whole:
                _copy_edge(s, start, 0, shape.width, o + j * g.results, 0, g.results,
                           1, min(shape.rows, g.result_w - j), g.results - f)  # fmt: skip


@inner
def convolve_back(tiles, s, start, layout, g, n, rows, weights, wi, c, ahead):
    """dx[h, q, c:] for image ``n`` of a work item with ``rows`` rows of dx, in blocks of 2 x 2 pixels.

    Block (i, j), whose first pixel is (2i, 2j), is made of four pixels of dy: a = dy[i, j], b = dy[i, j+1],
    below them d = dy[i+1, j], e = dy[i+1, j+1]. A number that is loaded serves all pixels of the block that it reaches:

        | a w[1,1]            | a w[1,2] + b w[1,0]                       |
        | a w[2,1] + d w[0,1] | a w[2,2] + b w[2,0] + d w[0,2] + e w[0,0] |
    """
    simd.keep_apart()
    shape, lanes, line = tiles.blocks, simd.lanes_of(s), g.width * g.pixel
    pixels = simd.grid_offsets(tiles.beside, 1, lanes, 0)
    here, right = pixels[:-1], pixels[1:]
    row, wide = g.result_w * g.results, 2 * shape.rows
    fetched, steps = 64 // s.itemsize, (g.channels + lanes - 1) // lanes * lanes
    for h in range(0, rows, 2):
        o = start + layout.out_at + (n * rows + h) * row + c
        for j in range(0, g.result_w, wide):
            next_line, last = take(ahead, s, steps)
            p, q, r, t = simd.zeros(shape), simd.zeros(shape), simd.zeros(shape), simd.zeros(shape)
            w, dy = wi, start + layout.dy_at + (n * g.height + h // 2) * line + j // 2 * lanes
            for _ in range(0, g.channels, lanes):
                for k in range(lanes):
                    simd.prefetch(s, next_line)
                    next_line = min(next_line + fetched, last)
                    top, below = simd.opaque(dy + k), simd.opaque(dy + line + k)
                    p = simd.outer_fma(p, s, top, here, weights, w)
                    q = simd.outer_fma(q, s, top, here, weights, w + lanes)
                    q = simd.outer_fma(q, s, top, right, weights, w + 2 * lanes)
                    r = simd.outer_fma(r, s, top, here, weights, w + 3 * lanes)
                    t = simd.outer_fma(t, s, top, here, weights, w + 4 * lanes)
                    t = simd.outer_fma(t, s, top, right, weights, w + 5 * lanes)
                    r = simd.outer_fma(r, s, below, here, weights, w + 6 * lanes)
                    t = simd.outer_fma(t, s, below, here, weights, w + 7 * lanes)
                    t = simd.outer_fma(t, s, below, right, weights, w + 8 * lanes)
                    w += 9 * lanes
                dy += layout.dy_slab
            whole = h + 2 <= rows and j + wide <= g.result_w and c + lanes <= g.results
            to, down, step = (o + j * g.results, row, g.results) if whole else (start, wide * lanes, lanes)
            where = simd.grid_offsets(shape, 1, simd.opaque(2 * step), 0)
            simd.tile_store(p, s, to, where)
            simd.tile_store(q, s, to + step, where)
            simd.tile_store(r, s, to + down, where)
            simd.tile_store(t, s, to + down + step, where)
            if not whole:
                _copy_edge(s, start, wide * lanes, lanes, o + j * g.results, row, g.results,
                           min(2, rows - h), min(wide, g.result_w - j), g.results - c)  # fmt: skip

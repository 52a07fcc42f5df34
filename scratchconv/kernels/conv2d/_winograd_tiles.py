"""The pieces of Winograd's convolution: patches to planes, the products of planes, products to results.

All of them work on the scratch of one worker (``_winograd_plan.Tiling`` says what lies where), for a ``Part`` of a work
item: a group of tiles small enough that their planes stay in the first-level cache.
"""

from __future__ import annotations

from typing import NamedTuple

from scratchconv import simd
from scratchconv.kernels._copy import fill_zero
from scratchconv.kernels._jit import inner
from scratchconv.kernels.conv2d._ahead import fetch_rest, take
from scratchconv.kernels.conv2d._finish import SELECT

PATCH_LINES = 4  # that the transform of a vector of a patch asks for, where the products do not ask for all


class Part(NamedTuple):
    """Some tiles of a work item (plain integers, so kernels take it as it is)."""

    rows: int  # rows of tiles of each of the item's images
    top: int  # result row where the item begins
    first: int  # tile of the item where the part begins
    tiles: int  # their number


@inner
def _place_of(tiling, rows, tile):
    """(image, tile row, tile column) of a tile of a work item with ``rows`` rows of tiles an image."""
    image, rest = tile // (rows * tiling.columns), tile % (rows * tiling.columns)
    return image, rest // tiling.columns, rest % tiling.columns


@inner
def clear_padding(s, at, g):
    """Zero the block ``g`` at ``at`` if its pixels are wider than their channels: nothing else writes the rest."""
    if g.pixel != g.channels:
        fill_zero(s, at, g.images * g.height * g.width * g.pixel)


@inner
def transform_patches(t, g, tiling, part, block, at, planes, o, plane, slab, step, ahead):
    """planes[p, tile, :] = t of the patch of each tile of ``part``, vector after vector of channels.

    In a plane, tiles are ``step`` apart and vectors of channels ``slab``. Tiles go by in rows, which are evenly spaced.
    Fetches from the list ``ahead`` what the products have no steps for.
    """
    simd.keep_apart()
    lanes, line, move = simd.lanes_of(block), g.width * g.pixel, g.column_step * g.pixel
    pixels = simd.opaque(line), simd.opaque(g.pixel)
    where = simd.opaque(t.columns * plane), simd.opaque(plane)
    nothing = simd.splat(block, 0)
    tile, last = part.first, part.first + part.tiles
    while tile < last:
        n, i, j = _place_of(tiling, part.rows, tile)
        count = min(tiling.columns - j, last - tile)
        source = at + (n * g.height + i * g.step) * line + j * move
        fetch_rest(ahead, planes, PATCH_LINES * (count * g.pixel // lanes))
        for c in range(0, g.pixel, lanes):
            to = o + c // lanes * slab
            for k in range(count):
                first = simd.opaque(source + c + k * move)
                simd.transform_grid(t, block, first, pixels, nothing, planes, to + k * step, where)
        tile, o = tile + count, o + count * step


@inner
def kernel_of(maps, p):
    """The plane of kernels that plane ``p`` of the source is multiplied with."""
    i, j = p // maps.source.columns, p % maps.source.columns
    return min(i, maps.kernel.rows - 1) * maps.kernel.columns + min(j, maps.kernel.columns - 1)


@inner
def planes_of(maps, q):
    """The planes of the source that meet plane ``q`` of the kernels: first row, that after the last, columns likewise.

    One, but for the last row and the last column of kernels.
    """
    i, j = q // maps.kernel.columns, q % maps.kernel.columns
    below = i + 1 if i < maps.kernel.rows - 1 else maps.source.rows
    right = j + 1 if j < maps.kernel.columns - 1 else maps.source.columns
    return i, below, j, right


@inner
def multiply(maps, tiling, tiles, s, a, b, bi, c, ahead):
    """C[p, t, l] = Σ_k A[p, t, k] B[p, k, l] for each plane p, each of ``tiles``, and one panel of lanes.

    In the scratch ``s`` A begins at ``a`` and C at ``c``; the panel of B begins at ``bi``. A lies in slabs of one
    vector of channels, tile after tile, so the rows of a register tile are a constant apart. Fetches from the list
    ``ahead``.
    """
    simd.keep_apart()
    shape, lanes, depth = maps.tile, simd.lanes_of(s), tiling.depth
    rows, where = simd.grid_offsets(shape, 1, lanes, 0), simd.grid_offsets(shape, 1, shape.width, 0)
    fetched = 64 // s.itemsize
    for p in range(maps.source.rows * maps.source.columns):
        ai, ci = a + p * tiling.source_plane, c + p * tiling.result_plane
        weights = bi + kernel_of(maps, p) * tiling.weight_plane
        next_line, last = take(ahead, depth * ((tiles + shape.rows - 1) // shape.rows))
        for t in range(0, tiles, shape.rows):
            acc = simd.zeros(shape)
            for k in range(0, depth, lanes):
                first, w = ai + k * tiling.group + t * lanes, weights + k * shape.width
                for lane in range(min(lanes, depth - k)):
                    simd.prefetch(s, next_line)
                    next_line = min(next_line + fetched, last)
                    acc = simd.outer_fma(acc, s, simd.opaque(first + lane), rows, b, w + lane * shape.width)
            simd.tile_store(acc, s, ci + t * shape.width, where)


@inner
def _store_edge(y, at, row, column, high, wide, live, tile, tile_columns, o):
    """Copy the ``high`` x ``wide`` pixels of a tile that lie in the image, ``live`` lanes of each."""
    lanes = simd.lanes_of(y)
    for i in range(high):
        for j in range(wide):
            value = simd.load(tile, o + (i * tile_columns + j) * lanes)
            simd.store_partial(y, at + i * row + j * column, value, live)


@inner
def transform_results(t, shape, g, tiling, part, s, pi, bias, f, y, yi, ei):
    """y[·] = bias + t of the products of each tile of ``part``, for the panel of results from ``f`` on.

    In the scratch ``s`` the products begin at ``pi``; ``ei`` is room for a tile that does not fit into the image.
    """
    simd.keep_apart()
    lanes, row, move = simd.lanes_of(y), g.result_w * g.results, t.columns * g.results
    planes = simd.opaque(t.source_columns * tiling.result_plane), simd.opaque(tiling.result_plane)
    tile, last = part.first, part.first + part.tiles
    while tile < last:
        n, i, j = _place_of(tiling, part.rows, tile)
        count = min(tiling.columns - j, last - tile)
        high = min(t.rows, g.result_h - part.top - i * t.rows)
        at = yi + (n * g.result_h + i * t.rows) * row + j * move + f
        whole = min(count, g.result_w // t.columns - j) if high == t.rows else 0
        for k in range(count):
            for v in range(0, min(shape.width, g.results - f), lanes):
                live, inside = g.results - f - v, k < whole and f + v + lanes <= g.results
                to, down, beside = (at + v, row, g.results) if inside else (ei, t.columns * lanes, lanes)
                where = simd.opaque(down), simd.opaque(beside)
                simd.transform_grid(t, s, pi + v, planes, simd.load(bias, f + v), y, to, where)
                if not inside:
                    wide = min(t.columns, g.result_w - (j + k) * t.columns)
                    _store_edge(y, at + v, row, g.results, high, wide, live, s, t.columns, ei)
            at, pi = at + move, pi + shape.width
        tile += count


@inner
def comes_in_parts(tiling, kind):
    """Whether each part's results are finished by themselves, while they are in L1: they are whole rows of tiles."""
    return tiling.group % tiling.columns == 0 and kind & SELECT == 0


@inner
def rows_before(row, rows, high, height):
    """Rows of results before a row of tiles, each ``high``; an image has ``rows`` of tiles, ``height`` of results."""
    return row // rows * height + row % rows * high

"""What the Winograd kernels need to know of a geometry: transforms, tiles, work items and how their scratch is cut."""

from __future__ import annotations

import functools
import sys
from typing import NamedTuple

from numba import types

from scratchconv import simd
from scratchconv.kernels.conv2d import _cook_toom
from scratchconv.kernels.conv2d._block import Block
from scratchconv.kernels.conv2d._cook_toom import transposed

Pair = tuple[int, int]

# Results of a tile (rows, columns) by kernel size and stride, each up to a number of source channels: the error grows
# with that number's square root. With stride 2 they are those of y, or of each phase of dx. "exact" stays within three
# times PyTorch's float32 error, or below that of direct where that is more; "fast" multiplies less and errs more.
# README.md has the measured errors.
MANY = sys.maxsize
TILES: dict[str, dict[tuple[Pair, int], tuple[tuple[int, Pair], ...]]] = {
    "exact": {
        ((3, 3), 1): ((64, (2, 4)), (MANY, (2, 2))),
        ((5, 5), 1): ((32, (2, 2)),),
        ((3, 3), 2): ((64, (4, 4)), (128, (2, 4)), (MANY, (2, 2))),
    },
    "fast": {((3, 3), 1): ((MANY, (4, 4)),), ((5, 5), 1): ((MANY, (4, 4)),), ((3, 3), 2): ((MANY, (4, 4)),)},
}

# Those of the weight gradient, each up to a number of pixels. It sums over pixels, in short sums, where PyTorch's error
# grows with their number: the more there are, the larger tiles keep the promise; for 5x5 kernels, direct below some
# thousand.
DIRECT = (0, 0)
WEIGHT_TILES: dict[str, dict[tuple[Pair, int], tuple[tuple[int, Pair], ...]]] = {
    "exact": {
        ((3, 3), 1): ((511, (2, 2)), (2047, (2, 4)), (MANY, (4, 4))),
        ((5, 5), 1): ((4095, DIRECT), (MANY, (2, 4))),
        ((3, 3), 2): ((MANY, (4, 4)),),
    },
    "fast": TILES["fast"],
}

# (rows, vecs) of the register tiles of the products and their share of the FMA peak, by number of vector registers.
_MENU = {16: ((6, 2, 1.0), (12, 1, 0.85)), 32: ((8, 2, 1.0), (16, 1, 0.9), (14, 1, 0.88))}


def choose_results(precision, taps, stride, terms, table=TILES):
    """The tile of results (rows, columns) for sums over ``terms`` channels, or pixels with WEIGHT_TILES as ``table``.

    The last one where none is exact enough.
    """
    tiles = table[precision][taps, stride]
    return next((tile for most, tile in tiles if terms <= most), tiles[-1][1])


def is_accurate(precision, taps, stride, channels):
    """Whether there is a tile that keeps what ``precision`` promises for sums over ``channels``."""
    tiles = TILES[precision].get((taps, stride))
    return tiles is not None and channels <= tiles[-1][0]


class Transforms:
    """The transforms of one F(m x m', r x r') and the register tiles of its products, as one argument without data.

    ``rows`` and ``columns`` are those of ``_cook_toom``.

    ==========  ==================================================================
    source      patches of the source: B'dB
    kernel      kernels: GgG'; planes of products beyond its last row or column have that again
    result      products to results: A'MA
    gradient    tiles of x or dy to planes, A x A': the transpose of result
    weight      planes to dw, G'MG: the transpose of kernel
    tile        register tile of the products of tiles and kernels
    products    register tile of the products of tiles and tiles (weight gradient)
    ==========  ==================================================================
    """

    def __init__(self, rows, columns, register_tile, products):
        pairs = list(zip(rows, columns, strict=True))
        pairs += [(transposed(left), transposed(right)) for left, right in (pairs[2], pairs[1])]
        maps = [simd.Transform(left, right, register_tile.dtype) for left, right in pairs]
        self.source, self.kernel, self.result, self.gradient, self.weight = maps
        self.tile, self.products = register_tile, products
        self._numba_type_ = _TransformsType(self)


class _TransformsType(types.Type):
    """Numba type of one particular :class:`Transforms`."""

    def __init__(self, transforms):
        for name in _MEMBERS:
            setattr(self, name, getattr(transforms, name)._numba_type_)
        super().__init__(f"Transforms({', '.join(getattr(self, name).name for name in _MEMBERS)})")


_MEMBERS = ("source", "kernel", "result", "gradient", "weight", "tile", "products")
simd.without_data(Transforms, _TransformsType, *_MEMBERS)


@functools.lru_cache(maxsize=64)
def forward_transforms(tile, taps, stride, results, dtype):
    """The transforms of y, ``tile`` results (rows, columns) of as many channels as ``results``, for ``taps``."""
    axes = (_cook_toom.forward(m, r, stride) for m, r in zip(tile, taps, strict=True))
    return Transforms(*axes, choose_tile(results, dtype), choose_products(results, dtype))


@functools.lru_cache(maxsize=64)
def backward_transforms(tile, taps, stride, padding, results, source, dtype):
    """The same of dx, ``tile`` pixels of each phase, from dy and kernels that are turned round."""
    axes = (_cook_toom.backward(m, r, stride, p) for m, r, p in zip(tile, taps, padding, strict=True))
    return Transforms(*axes, choose_tile(results, dtype), choose_products(source, dtype))


def first_input(taps, stride, padding):
    """The pixel of dy (row, column) where the first tile of dx begins to read."""
    return tuple(_cook_toom.first_input(r, stride, p) for r, p in zip(taps, padding, strict=True))


def choose_products(width, dtype):
    """The register tile of products of tiles, whose rows must divide a vector of channels."""
    lanes, registers = simd.lanes(dtype), simd.vector_registers()
    if registers == 32 and width <= lanes:
        return simd.TileShape(lanes, 1, dtype)
    return simd.TileShape(min(lanes, registers // 4), 2, dtype)


class Tiling(NamedTuple):
    """How work items are cut into tiles, and how their scratch is (plain integers, elements from its start)."""

    columns: int  # tiles across an image
    group: int  # tiles that are transformed, multiplied and transformed back together
    depth: int  # channels of the source
    pitch: int  # channels of the source, rounded up to whole vectors
    width: int  # results, rounded up to whole panels
    source_plane: int  # elements from one plane of transformed source to the next
    result_plane: int  # the same of products
    weight_plane: int  # the same of transformed weights
    block_at: int  # where the padded source begins
    source_at: int  # where the transformed source begins
    result_at: int  # where the products begin: in the place of the source, if both are one vector wide
    out_at: int  # where the results of a work item are
    scratch: int  # elements of all
    # In a backward pass the source is dy, and the results are dx. Beside them:
    lanes: int = 0  # channels of x, rounded up to whole vectors
    sums_width: int = 0  # channels of dy, rounded up to whole register tiles of their products
    tiles_plane: int = 0  # elements from one plane of transformed tiles of x to the next
    sums_plane: int = 0  # the same of the sums of products
    x_at: int = 0  # where x begins
    tiles_at: int = 0  # where its transformed tiles begin
    sums_at: int = 0  # where the sums of products begin


def plane(elements):
    """Round up to an odd number of cache lines: planes a power of two apart would share the same sets of L1."""
    lines = -(-elements // 16)
    return (lines + 1 - lines % 2) * 16


def round_up(n, step):
    """The next multiple of ``step``."""
    return -(-n // step) * step


@functools.lru_cache(maxsize=512)
def choose_tile(width, dtype):
    """The register tile that computes ``width`` lanes in the least time."""
    lanes = simd.lanes(dtype)

    def cost(entry):
        _, vecs, efficiency = entry
        return round_up(width, vecs * lanes) / efficiency

    high, vecs, _ = min(_MENU[simd.vector_registers()], key=cost)
    return simd.TileShape(high, vecs, dtype)


def group_of(tiles, rows, tile_bytes, budget):
    """How many of a work item's tiles to take together: within ``budget`` bytes, in whole tiles of ``rows``."""
    most = max(rows, min(tiles, budget // tile_bytes))
    groups = -(-tiles // most)
    return round_up(-(-tiles // groups), rows)


def cut(batch, down, across, row_bytes, rows):
    """Choose (images, tile rows) of a work item: source within a third of L2, few wasted rows of register tiles."""
    budget = simd.cache_bytes(2) // 3
    strips = [(1, -(-down // parts)) for parts in range(1, down + 1)]
    images = [(n, down) for n in range(2, min(batch, 16) + 1)]
    fitting = [(n, r) for n, r in strips + images if n * r * row_bytes <= max(budget, row_bytes)]

    def cost(item):
        tiles = item[0] * item[1] * across
        return round_up(tiles, rows) / tiles + 4 / tiles

    return min(fitting, key=cost)


def _block(x, y, corner, step, spread, patch, images, rows):
    """Work items of ``rows`` rows of tiles or ``images`` images as blocks of padded source rows.

    From tile to tile the source moves by ``step`` pixels (rows, columns), the results by ``spread``. Each tile reads a
    ``patch``, the first one from the pixel ``corner`` on.
    """
    down, across = _tiles(y, spread)
    return Block(
        *x, *y[1:], step=step[0], column_step=step[1], spread=spread[0],
        images=images, rows=rows, strips=-(-down // rows), copied=1, top=corner[0], left=corner[1],
        height=(rows - 1) * step[0] + patch[0], width=(across - 1) * step[1] + patch[1], pixel=round_up(x[3], 16),
    )  # fmt: skip


def _tiles(y, tile):
    """Tiles down and across an image of results ``y`` (N, OH, OW, F)."""
    return -(-y[1] // tile[0]), -(-y[2] // tile[1])


def is_in_place(shape, pitch, width):
    """Whether products can take the place of the transformed source, vector for vector, and so stay in L1 with it."""
    return pitch == width == shape.width == shape.lanes


def _elements(g):
    """Elements of a block."""
    return g.images * g.height * g.width * g.pixel


def kernel_planes(tile, taps, stride):
    """Number of planes of transformed kernels."""
    rows, columns = (len(_cook_toom.forward(m, r, stride).kernel) for m, r in zip(tile, taps, strict=True))
    return rows * columns


def _sizes(maps):
    """Of a tile: the patch and the results (rows, columns), and the number of products."""
    source, result = maps.source, maps.result
    return (source.source_rows, source.source_columns), (result.rows, result.columns), source.rows * source.columns


@functools.lru_cache(maxsize=512)
def forward(x, y, corner, step, maps):
    """Work items and tiling of y from x (shapes, NHWC), or of dx from dy.

    The patch of the first tile begins at the pixel ``corner``, that of the next one ``step`` further (rows, columns).
    """
    shape, (patch, tile, count) = maps.tile, _sizes(maps)
    itemsize = shape.dtype.itemsize
    (down, across), depth = _tiles(y, tile), x[3]
    pitch, width = round_up(depth, 16), round_up(y[3], shape.width)
    row_bytes = across * (step[0] * step[1] * 2 * pitch + tile[0] * tile[1] * y[3]) * itemsize  # fetched ahead, too
    images, rows = cut(x[0], down, across, row_bytes, shape.rows)
    g = _block(x, y, corner, step, tile, patch, images, rows)
    if in_place := is_in_place(shape, pitch, width):
        tile_bytes, budget = count * pitch * itemsize, simd.cache_bytes(1) // 2
    else:
        tile_bytes, budget = count * (pitch + shape.width) * itemsize, 4 * simd.cache_bytes(1) // 3
    group = group_of(images * rows * across, shape.rows, tile_bytes, budget)
    source_plane, result_plane = plane(group * pitch), plane(group * shape.width)
    block_at = round_up(tile[0] * tile[1] * shape.lanes, 16)
    source_at = block_at + _elements(g)
    result_at = source_at if in_place else source_at + count * source_plane
    out_at = result_at + count * result_plane
    scratch = out_at + images * min(rows * tile[0], y[1]) * y[2] * y[3]
    tiling = Tiling(across, group, depth, pitch, width, source_plane, result_plane, plane(depth * width),
                    block_at, source_at, result_at, out_at, scratch)  # fmt: skip
    return g, tiling


@functools.lru_cache(maxsize=512)
def backward(dy, dx, corner, step, maps):
    """Blocks of x and of dy (shapes, NHWC) and the tiling of both gradients; ``corner`` and ``step`` as in forward."""
    shape, products, (patch, tile, count) = maps.tile, maps.products, _sizes(maps)
    itemsize = shape.dtype.itemsize
    (down, across), depth, channels = _tiles(dx, tile), dy[3], dx[3]
    pitch, width, lanes = round_up(depth, 16), round_up(channels, shape.width), round_up(channels, 16)
    row_bytes = across * 2 * (step[0] * step[1] * pitch + tile[0] * tile[1] * lanes) * itemsize  # fetched ahead, too
    images, rows = cut(dy[0], down, across, row_bytes, shape.rows)
    g = _block(dy, dx, corner, step, tile, patch, images, rows)
    gx = _block(dx, dx, (0, 0), tile, tile, tile, images, rows)._replace(pixel=lanes)
    tile_bytes = count * (pitch + lanes + shape.width) * itemsize
    group = group_of(images * rows * across, shape.rows, tile_bytes, 3 * simd.cache_bytes(2) // 8)
    source_plane, tiles_plane, result_plane = plane(group * pitch), plane(group * lanes), plane(group * shape.width)
    sums_width = round_up(depth, products.width)
    sums_plane = plane(lanes * sums_width)
    block_at = round_up(tile[0] * tile[1] * shape.lanes, 16)
    x_at = block_at + _elements(g)
    source_at = x_at + _elements(gx)
    tiles_at = source_at + count * source_plane
    sums_at = result_at = tiles_at + count * tiles_plane
    if is_in_place(shape, pitch, width):
        result_at = source_at
    else:
        sums_at += count * result_plane
    out_at = sums_at + maps.kernel.rows * maps.kernel.columns * sums_plane
    scratch = out_at + images * min(rows * tile[0], dx[1]) * dx[2] * dx[3]
    tiling = Tiling(across, group, depth, pitch, width, source_plane, result_plane, plane(depth * width),
                    block_at, source_at, result_at, out_at, scratch,
                    lanes, sums_width, tiles_plane, sums_plane, x_at, tiles_at, sums_at)  # fmt: skip
    return gx, g, tiling

"""What the Winograd kernels need to know of a geometry: transforms, tiles, work items and how their scratch is cut."""

from __future__ import annotations

import functools
import sys
from typing import NamedTuple

from numba import types

from scratchconv import simd
from scratchconv.kernels.conv2d._block import Block
from scratchconv.kernels.conv2d._cook_toom import cook_toom, transposed

Pair = tuple[int, int]

# Results of a tile (rows, columns) by kernel size, each up to a number of source channels: the error grows with that
# number's square root. "exact" stays within three times PyTorch's float32 error, or below that of direct where that is
# more; "fast" multiplies less and errs more. README.md has the measured errors.
MANY = sys.maxsize
TILES: dict[str, dict[Pair, tuple[tuple[int, Pair], ...]]] = {
    "exact": {(3, 3): ((64, (2, 4)), (MANY, (2, 2))), (5, 5): ((32, (2, 2)),)},
    "fast": {(3, 3): ((MANY, (4, 4)),), (5, 5): ((MANY, (4, 4)),)},
}

# Those of the weight gradient, each up to a number of pixels. It sums over pixels, in short sums, where PyTorch's error
# grows with their number: the more there are, the larger tiles keep the promise; for 5x5 kernels, direct below some
# thousand.
DIRECT = (0, 0)
WEIGHT_TILES: dict[str, dict[Pair, tuple[tuple[int, Pair], ...]]] = {
    "exact": {(3, 3): ((511, (2, 2)), (2047, (2, 4)), (MANY, (4, 4))), (5, 5): ((4095, DIRECT), (MANY, (2, 4)))},
    "fast": {(3, 3): ((MANY, (4, 4)),), (5, 5): ((MANY, (4, 4)),)},
}

# (rows, vecs) of the register tiles of the products and their share of the FMA peak, by number of vector registers.
_MENU = {16: ((6, 2, 1.0), (12, 1, 0.85)), 32: ((14, 2, 1.0), (8, 2, 0.97), (16, 1, 0.9), (14, 1, 0.88))}


def choose_results(precision, taps, terms, table=TILES):
    """The tile of results (rows, columns) for sums over ``terms`` channels, or pixels with WEIGHT_TILES as ``table``.

    The last one where none is exact enough.
    """
    tiles = table[precision][taps]
    return next((tile for most, tile in tiles if terms <= most), tiles[-1][1])


def is_accurate(precision, taps, channels):
    """Whether there is a tile that keeps what ``precision`` promises for sums over ``channels``."""
    return taps in TILES[precision] and channels <= TILES[precision][taps][-1][0]


class Transforms:
    """The transforms of one F(m x m', r x r') and the register tiles of its products, as one argument without data.

    ==========  ==================================================================
    source      patches of the source: B'dB
    kernel      kernels: GgG'
    result      products to results: A'MA
    gradient    tiles of x or dy to planes, A x A': the transpose of result
    weight      planes to dw, G'MG: the transpose of kernel
    tile        register tile of the products of tiles and kernels
    products    register tile of the products of tiles and tiles (weight gradient)
    ==========  ==================================================================
    """

    def __init__(self, tile, taps, register_tile, products):
        rows, columns = (cook_toom(m, r) for m, r in zip(tile, taps, strict=True))
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
def transforms(tile, taps, results, dtype):
    """All transforms for ``tile`` results (rows, columns), ``taps`` of the kernel, and the channels of the results."""
    return Transforms(tile, taps, choose_tile(results, dtype), choose_products(results, dtype))


def choose_products(width, dtype):
    """The register tile of products of tiles, whose rows must divide a vector of channels."""
    lanes, registers = simd.lanes(dtype), simd.vector_registers()
    if registers == 32 and width <= lanes:
        return simd.TileShape(lanes, 1, dtype)
    return simd.TileShape(min(lanes, registers // 4), 2, dtype)


class Tiling(NamedTuple):
    """How work items are cut into tiles, and how their scratch is (plain integers, elements from its start)."""

    columns: int  # tiles across an image
    high: int  # result rows of a tile
    wide: int  # result columns of a tile
    group: int  # tiles that are transformed, multiplied and transformed back together
    depth: int  # channels of the source
    pitch: int  # channels of the source, rounded up to whole vectors
    width: int  # results, rounded up to whole panels
    source_plane: int  # elements from one plane of transformed source to the next
    result_plane: int  # the same of products
    weight_plane: int  # the same of transformed weights
    block_at: int  # where the padded source begins
    source_at: int  # where the transformed source begins
    result_at: int  # where the products begin
    out_at: int  # where the results of a work item are
    scratch: int  # elements of all
    # In a backward pass the source is dy, and the results are dx. Beside them:
    lanes: int = 0  # channels of x, rounded up to whole register tiles
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


def _block(x, y, padding, tile, taps, images, rows):
    """The work items of ``rows`` tile rows or ``images`` images as a block of padded source rows."""
    batch, source_h, source_w, channels = x
    _, result_h, result_w, results = y
    down, across = _tiles(y, tile)
    return Block(
        batch, source_h, source_w, channels, result_h, result_w, results,
        step=1, column_step=1, spread=1, images=images, rows=rows * tile[0], strips=-(-down // rows), copied=1,
        top=-padding[0], left=-padding[1],
        height=rows * tile[0] + taps[0] - 1, width=across * tile[1] + taps[1] - 1, pixel=round_up(channels, 16),
    )  # fmt: skip


def _tiles(y, tile):
    """Tiles down and across an image of results ``y`` (N, OH, OW, F)."""
    return -(-y[1] // tile[0]), -(-y[2] // tile[1])


def _elements(g):
    """Elements of a block."""
    return g.images * g.height * g.width * g.pixel


def planes(tile, taps):
    """Number of products of a tile."""
    return (tile[0] + taps[0] - 1) * (tile[1] + taps[1] - 1)


@functools.lru_cache(maxsize=512)
def forward(x, y, padding, tile, taps, shape):
    """Work items and tiling of y from x (shapes, NHWC) by register tiles of ``shape``."""
    itemsize, count = shape.dtype.itemsize, planes(tile, taps)
    (down, across), depth = _tiles(y, tile), x[3]
    pitch, width = round_up(depth, 16), round_up(y[3], shape.width)
    row_bytes = across * tile[0] * tile[1] * (2 * pitch + y[3]) * itemsize  # with what is fetched ahead
    images, rows = cut(x[0], down, across, row_bytes, shape.rows)
    g = _block(x, y, padding, tile, taps, images, rows)
    tile_bytes = count * (pitch + shape.width) * itemsize
    group = group_of(images * rows * across, shape.rows, tile_bytes, 4 * simd.cache_bytes(1) // 3)
    source_plane, result_plane = plane(group * pitch), plane(group * shape.width)
    block_at = round_up(tile[0] * tile[1] * shape.lanes, 16)
    source_at = block_at + _elements(g)
    result_at = source_at + count * source_plane
    out_at = result_at + count * result_plane
    scratch = out_at + images * min(rows * tile[0], y[1]) * y[2] * y[3]
    tiling = Tiling(across, *tile, group, depth, pitch, width, source_plane, result_plane, plane(depth * width),
                    block_at, source_at, result_at, out_at, scratch)  # fmt: skip
    return g, tiling


@functools.lru_cache(maxsize=512)
def backward(dy, dx, padding, tile, taps, shape, products):
    """Blocks of x and of dy (shapes, NHWC) and the tiling of both gradients; ``padding`` that of dy."""
    itemsize, count = shape.dtype.itemsize, planes(tile, taps)
    (down, across), depth, channels = _tiles(dx, tile), dy[3], dx[3]
    pitch, width, lanes = round_up(depth, 16), round_up(channels, shape.width), round_up(channels, products.width)
    row_bytes = across * tile[0] * tile[1] * 2 * (pitch + lanes) * itemsize  # with what is fetched ahead
    images, rows = cut(dy[0], down, across, row_bytes, shape.rows)
    g = _block(dy, dx, padding, tile, taps, images, rows)
    gx = _block(dx, dx, (0, 0), tile, (1, 1), images, rows)._replace(pixel=lanes)
    tile_bytes = count * (pitch + lanes + shape.width) * itemsize
    group = group_of(images * rows * across, shape.rows, tile_bytes, 3 * simd.cache_bytes(2) // 8)
    source_plane, tiles_plane, result_plane = plane(group * pitch), plane(group * lanes), plane(group * shape.width)
    sums_plane = plane(pitch * lanes)
    block_at = round_up(tile[0] * tile[1] * shape.lanes, 16)
    x_at = block_at + _elements(g)
    source_at = x_at + _elements(gx)
    tiles_at = source_at + count * source_plane
    result_at = tiles_at + count * tiles_plane
    sums_at = result_at + count * result_plane
    out_at = sums_at + count * sums_plane
    scratch = out_at + images * min(rows * tile[0], dx[1]) * dx[2] * dx[3]
    tiling = Tiling(across, *tile, group, depth, pitch, width, source_plane, result_plane, plane(depth * width),
                    block_at, source_at, result_at, out_at, scratch,
                    lanes, tiles_plane, sums_plane, x_at, tiles_at, sums_at)  # fmt: skip
    return gx, g, tiling

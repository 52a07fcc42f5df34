"""How the kernels for stride 2 cut their work and lay out their scratch, worked out once per shape in plain Python.

The scratch holds channels in *slabs*: of every pixel one vector of channels, pixel after pixel, then the next slab.
Neighbouring pixels are then one vector apart, and the windows of neighbouring results two: distances that compiled code
knows, whatever the number of channels.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from scratchconv import simd
from scratchconv.kernels.conv2d._block import Block
from scratchconv.kernels.conv2d._winograd_plan import plane, round_up

TAPS, STRIDE, PADDING = 3, 2, 1  # in both dimensions
AHEAD = 2  # what a work item fetches for the next one is as large as what it reads itself

# By number of vector registers: results in a tile of the forward pass, which has two vectors of filters, and its share
# of the FMA peak; blocks of 2 x 2 pixels of dx in a tile; filters in a tile of products.
_FORWARD = {16: ((6, 1.0), (4, 0.9)), 32: ((8, 1.0), (7, 0.97))}
_BACKWARD = {16: (2, 4), 32: (4, 8)}
# Pixels whose products are summed in registers: few enough for x and dy to stay in the first-level cache meanwhile.
SUMMED = 128


class Tiles(NamedTuple):
    """The register tiles of the backward pass: arguments without data."""

    blocks: simd.TileShape  # pixels of one phase of dx, one of each of neighbouring blocks, x channels
    beside: simd.TileShape  # the pixels of dy that they see: one more
    products: simd.TileShape  # filters x (taps of a kernel row x channels)


class Layout(NamedTuple):
    """The scratch of one worker (plain integers, elements from its start; slabs from one to the next).

    It begins with room for a tile that reaches beyond the image.
    """

    x_at: int
    x_slab: int
    dy_at: int
    dy_slab: int
    out_at: int  # the results of a work item
    scratch: int  # elements of all


@functools.lru_cache(maxsize=512)
def forward_tile(columns: int, dtype: np.dtype) -> simd.TileShape:
    """The register tile, neighbouring results x filters, for rows of ``columns`` results."""
    menu = _FORWARD[simd.vector_registers()]
    rows, _ = min(menu, key=lambda entry: round_up(columns, entry[0]) / entry[1])
    return simd.TileShape(rows, 2, dtype)


@functools.lru_cache(maxsize=64)
def tiles(dtype: np.dtype) -> Tiles:
    """The register tiles of the backward pass for ``dtype``."""
    blocks, filters = _BACKWARD[simd.vector_registers()]
    shapes = (blocks, 1), (blocks + 1, 1), (min(filters, simd.lanes(dtype)), TAPS)
    return Tiles(*(simd.TileShape(*shape, dtype) for shape in shapes))


def cut(batch: int, down: int, row_bytes: int, budget: int) -> tuple[int, int]:
    """Choose (images, rows) of a work item, of ``down`` rows an image: as many as ``budget`` bytes hold."""
    if row_bytes * down <= budget:
        return max(1, min(batch, budget // (row_bytes * down))), down
    rows = max(2, budget // row_bytes)
    rows = -(-down // -(-down // rows))  # strips of nearly equal height,
    return 1, rows + rows % 2  # an even one, so that no window of a 2x2 pooling is cut


def _x_block(
    x: tuple[int, int, int, int], y: tuple[int, int, int, int], images: int, rows: int, columns: int, lanes: int
) -> Block:
    """Work items of ``rows`` result rows as blocks of x with ``columns`` windows a row."""
    return Block(
        *x, *y[1:], step=STRIDE, column_step=STRIDE, spread=1,
        images=images, rows=rows, strips=-(-y[1] // rows), copied=1, top=-PADDING, left=-PADDING,
        height=(rows - 1) * STRIDE + TAPS, width=(columns - 1) * STRIDE + TAPS, pixel=lanes,
    )  # fmt: skip


def _slabs(g: Block) -> tuple[int, int]:
    """Elements from one slab of a block to the next, and of all."""
    slab = plane(g.images * g.height * g.width * g.pixel)
    return slab, slab * -(-g.channels // g.pixel)


@functools.lru_cache(maxsize=512)
def forward(x: tuple[int, int, int, int], y: tuple[int, int, int, int], dtype: np.dtype) -> tuple[Block, Layout]:
    """Blocks of x and the scratch for y (shapes, NHWC)."""
    shape, lanes = forward_tile(y[2], dtype), simd.lanes(dtype)
    row_bytes = (STRIDE * x[2] * round_up(x[3], lanes) * AHEAD + y[2] * y[3]) * dtype.itemsize
    images, rows = cut(x[0], y[1], row_bytes, simd.cache_bytes(2) // 3)
    g = _x_block(x, y, images, rows, round_up(y[2], shape.rows), lanes)
    x_slab, size = _slabs(g)
    x_at = round_up(shape.rows * shape.width, 16)
    out_at = x_at + size
    return g, Layout(x_at, x_slab, 0, 0, out_at, out_at + images * rows * y[2] * y[3])


@functools.lru_cache(maxsize=512)
def backward(
    x: tuple[int, int, int, int], dy: tuple[int, int, int, int], dtype: np.dtype
) -> tuple[Block, Block, Layout]:
    """Blocks of x, blocks of dy and the scratch for both gradients (shapes, NHWC)."""
    shape, lanes = tiles(dtype).blocks, simd.lanes(dtype)
    pitch, filters = round_up(x[3], lanes), round_up(dy[3], lanes)
    row_bytes = (STRIDE * x[2] * STRIDE * pitch + dy[2] * filters) * AHEAD * dtype.itemsize
    images, rows = cut(x[0], dy[1], row_bytes, simd.cache_bytes(2) // 2)
    columns = round_up(dy[2], shape.rows)
    gx = _x_block(x, dy, images, rows, columns, lanes)
    g = Block(
        *dy, *x[1:], step=1, column_step=1, spread=STRIDE, images=images, rows=rows, strips=gx.strips, copied=1,
        top=0, left=0, height=rows + 1, width=columns + 1, pixel=lanes,
    )  # fmt: skip
    (x_slab, x_size), (dy_slab, dy_size) = _slabs(gx), _slabs(g)
    x_at = round_up(4 * shape.rows * shape.width, 16)
    dy_at = x_at + x_size
    out_at = dy_at + dy_size
    scratch = out_at + images * min(rows * STRIDE, x[1]) * x[2] * x[3]
    return gx, g, Layout(x_at, x_slab, dy_at, dy_slab, out_at, scratch)

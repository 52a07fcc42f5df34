"""Linear layer by the register tiles of the matrix product, and by scalar products where there are few filters.

Functions as in naive. Sums, order and ownership are those of ``matmul.tiled``. A network's last layer has so few
filters that a tile would stand mostly empty, and its weights would have to be transposed to fill it: ``forward`` then
multiplies rows of x by rows of w as they lie in memory, a vector of channels at a time. And there are so few products
for each number of x or dx that the gradients read and write memory in its order, and pack nothing.
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._jit import inner, kernel, threaded_kernel
from scratchconv.kernels.matmul import tiled as matrix

FEW = 16  # filters up to which scalar products are faster
ROWS = 8  # rows of x of one task
DEPTH = 256  # products in one chain
# Rows of dy and vectors of w: accumulators, and a step's numbers and vectors, have to fit the registers.
_HIGH = 4 if simd.vector_registers() == 32 else 2
_TILES = {np.dtype(dtype): tuple(simd.TileShape(high, 4, dtype) for high in (_HIGH, 1)) for dtype in ("f4", "f8")}


def forward(x, w, b, y):
    """y[n,f] = b[f] + sum_c x[n,c] * w[f,c]. Cost: 2*N*F*C flop."""
    if w.shape[0] <= FEW:
        products(x.reshape(-1), w.reshape(-1), b, x.shape[1], y)
    else:
        matrix.matmul_bias(x, w, False, True, b, y)


@threaded_kernel
def products(x, w, b, channels, y):
    """y[n,f] = b[f] + x[n,:] . w[f,:]; x, w flat, y (N, F)

    Owns: a task writes ROWS rows of y. Cost: 2*N*F*C flop; 6 loads for 8 multiply-adds of vectors.
    """
    simd.run_tasks(products_of_rows, (y.shape[0] + ROWS - 1) // ROWS, x, w, b, channels, y)


@inner
def products_of_rows(task, x, w, b, channels, y):
    """One task of ``products``."""
    for f in range(0, y.shape[1], 4):  # these rows of w stay in L1 for all rows of x
        for n in range(task * ROWS, min(y.shape[0], task * ROWS + ROWS), 2):
            _products(x, n, min(n + 1, y.shape[0] - 1), w, f, b, channels, y)


@inner
def _products(x, n, m, w, f, b, channels, y):
    """Two rows of x times up to four of w. Missing rows repeat the last one: all store equal numbers."""
    simd.keep_apart()
    last, lanes = y.shape[1] - 1, simd.lanes_of(x)
    f1, f2, f3 = min(f + 1, last), min(f + 2, last), min(f + 3, last)
    zero = simd.splat(x, 0)
    a0, a1, a2, a3 = zero, zero, zero, zero
    c0, c1, c2, c3 = zero, zero, zero, zero
    whole = channels // lanes * lanes
    for c in range(0, whole, lanes):
        p, q = simd.load(x, n * channels + c), simd.load(x, m * channels + c)
        v = simd.load(w, f * channels + c)
        a0, c0 = simd.fma(p, v, a0), simd.fma(q, v, c0)
        v = simd.load(w, f1 * channels + c)
        a1, c1 = simd.fma(p, v, a1), simd.fma(q, v, c1)
        v = simd.load(w, f2 * channels + c)
        a2, c2 = simd.fma(p, v, a2), simd.fma(q, v, c2)
        v = simd.load(w, f3 * channels + c)
        a3, c3 = simd.fma(p, v, a3), simd.fma(q, v, c3)
    if whole < channels:
        live = channels - whole
        p, q = simd.load_partial(x, n * channels + whole, live), simd.load_partial(x, m * channels + whole, live)
        v = simd.load_partial(w, f * channels + whole, live)
        a0, c0 = simd.fma(p, v, a0), simd.fma(q, v, c0)
        v = simd.load_partial(w, f1 * channels + whole, live)
        a1, c1 = simd.fma(p, v, a1), simd.fma(q, v, c1)
        v = simd.load_partial(w, f2 * channels + whole, live)
        a2, c2 = simd.fma(p, v, a2), simd.fma(q, v, c2)
        v = simd.load_partial(w, f3 * channels + whole, live)
        a3, c3 = simd.fma(p, v, a3), simd.fma(q, v, c3)
    y[n, f], y[m, f] = b[f] + simd.sum_lanes(a0), b[f] + simd.sum_lanes(c0)
    y[n, f1], y[m, f1] = b[f1] + simd.sum_lanes(a1), b[f1] + simd.sum_lanes(c1)
    y[n, f2], y[m, f2] = b[f2] + simd.sum_lanes(a2), b[f2] + simd.sum_lanes(c2)
    y[n, f3], y[m, f3] = b[f3] + simd.sum_lanes(a3), b[f3] + simd.sum_lanes(c3)


def has_few_filters(w):
    """Whether ``w`` (F, C) has loops of its own: they need whole register tiles of channels."""
    return len(w) <= FEW and w.shape[1] >= tiles_of(w.dtype)[0].width


def tiles_of(dtype):
    """The register tiles of the gradients: of several rows and of one."""
    return _TILES[dtype]


def input_gradient(dy, w, dx):
    """dx[n,c] = sum_f dy[n,f] * w[f,c]. Cost: 2*N*F*C flop."""
    if has_few_filters(w):
        spread_rows(*tiles_of(dx.dtype), dy.reshape(-1), w.reshape(-1), len(w), dx)
    else:
        matrix.matmul(dy, w, False, False, dx)


@threaded_kernel
def spread_rows(tile, single, dy, w, filters, dx):
    """dx[n,:] = sum_f dy[n,f] * w[f,:]; dy, w flat, dx (N, C), C at least the width of a tile

    Owns: a task writes ROWS rows of dx. Cost: 2*N*F*C flop; w is read once for the rows of a tile, from cache.
    """
    simd.run_tasks(spread_some_rows, (dx.shape[0] + ROWS - 1) // ROWS, tile, single, dy, w, filters, dx)


@inner
def spread_some_rows(task, tile, single, dy, w, filters, dx):
    """One task of ``spread_rows``."""
    n, end = task * ROWS, min(dx.shape[0], task * ROWS + ROWS)
    while n + tile.rows <= end:
        _spread(tile, dy, w, filters, n, dx)
        n += tile.rows
    while n < end:
        _spread(single, dy, w, filters, n, dx)
        n += 1


@inner
def _spread(tile, dy, w, filters, n, dx):
    """Some rows of dx, a stretch after the other; the last one overlaps the one before."""
    simd.keep_apart()
    channels, numbers = dx.shape[1], simd.grid_offsets(tile, 1, filters, 0)
    for c in range(0, channels, tile.width):
        _sum_rows(tile, dy, n * filters, numbers, 1, w, min(c, channels - tile.width), 0, filters, dx, n)


def weight_gradient(dy, x, dw):
    """dw[f,c] = sum_n dy[n,f] * x[n,c]. Cost: 2*N*F*C flop."""
    if has_few_filters(dw):
        gather_rows(*tiles_of(dw.dtype), dy.reshape(-1), x.reshape(-1), len(x), dw)
    else:
        matrix.matmul(dy, x, True, False, dw)


@threaded_kernel
def gather_rows(tile, single, dy, x, batch, dw):
    """dw[f,:] = sum_n dy[n,f] * x[n,:]; dy, x flat, dw (F, C), C at least the width of a tile

    Owns: a task writes some columns of dw. Cost: 2*N*F*C flop; a column's stretch of x is read from memory once.
    """
    simd.run_tasks(_gather_columns, dw.shape[1] // tile.width, tile, single, dy, x, batch, dw)


@inner
def _gather_columns(task, tile, single, dy, x, batch, dw):
    """A stretch of columns; the last task also has the rest, in a second stretch that overlaps the first."""
    channels, end = dw.shape[1], (task + 1) * tile.width
    _gather(tile, single, dy, x, batch, dw, end - tile.width)
    if 0 < channels - end < tile.width:
        _gather(tile, single, dy, x, batch, dw, channels - tile.width)


@inner
def _gather(tile, single, dy, x, batch, dw, c):
    """All rows of dw, columns from c on: DEPTH rows of x after the other, which then lie in cache for all filters."""
    simd.keep_apart()
    filters = dw.shape[0]
    whole = filters // tile.rows * tile.rows
    numbers, number = simd.grid_offsets(tile, 1, 1, 0), simd.grid_offsets(single, 1, 1, 0)
    for low in range(0, max(batch, 1), DEPTH):
        high = min(batch, low + DEPTH)
        for f in range(0, whole, tile.rows):
            _sum_rows(tile, dy, f, numbers, filters, x, c, low, high, dw, f)
        for f in range(whole, filters):
            _sum_rows(single, dy, f, number, filters, x, c, low, high, dw, f)


@inner
def _sum_rows(tile, a, first, numbers, step, b, c, low, high, out, row):
    """Rows of out from ``row`` on, columns from c on: sum_k a[first + numbers + k * step] * b[k,c:], low <= k < high.

    It is added to what is there, unless low is 0.
    """
    channels = out.shape[1]
    at, lines, acc = row * channels + c, simd.grid_offsets(tile, 1, channels, 0), simd.zeros(tile)
    for k in range(low, high):
        acc = simd.outer_fma(acc, a, simd.opaque(first + k * step), numbers, b, k * channels + c)
    if low > 0:
        acc = simd.tile_load(tile, out, at, lines) + acc
    simd.tile_store(acc, out, at, lines)


@kernel
def bias_gradient(dy, db):
    """db[f] = sum_n dy[n,f], in float64. Cost: N*F flop, dy read once from memory."""
    for f in range(db.size):
        total = 0.0
        for n in range(dy.shape[0]):
            total += np.float64(dy[n, f])
        db[f] = total

"""Operations on register tiles: the outer-product accumulate from which every convolution is made.

A tile holds ``rows`` x ``vecs`` vectors. Its rows are any things that share the vectors of the other operand: output
pixels that share a kernel tap's filters, or (tap, channel) pairs that share a pixel's gradient. Where a row lives in
memory is told by ``offsets``, a tuple with one flat offset a row (see :func:`row_offsets`), added to a common base.

In plain Python a tile is an array of shape (rows, vecs, lanes).
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from scratchconv.simd import _codegen as code
from scratchconv.simd._types import TileShape, TileShapeType, TileType
from scratchconv.simd._vector import _operator, flat, load_partial, store, store_partial


def row_offsets(shape: TileShape, table: Any, i: int) -> tuple[int, ...]:
    """The offsets ``table[i : i + rows]`` (an int64 array) as a tuple, to be kept in registers."""
    return tuple(int(offset) for offset in table[i : i + shape.rows])


def zeros(shape: TileShape) -> Any:
    """A tile of zeros."""
    return np.zeros((shape.rows, shape.vecs, shape.lanes), shape.dtype)


def spread(shape: TileShape, w: Any, wi: int) -> Any:
    """A tile with ``w[wi : wi + width]`` in every row (a bias)."""
    row = flat(w)[wi : wi + shape.width].reshape(shape.vecs, shape.lanes)
    return np.repeat(row[None], shape.rows, axis=0)


def tile_load(shape: TileShape, x: Any, base: int, offsets: tuple[int, ...]) -> Any:
    """Row r is ``x[base + offsets[r] :]``, ``width`` elements."""
    return _gather(shape, lambda i: flat(x)[i : i + shape.width], base, offsets)


def tile_load_partial(shape: TileShape, x: Any, base: int, offsets: tuple[int, ...], n: int) -> Any:
    """As :func:`tile_load`, but only the first ``n`` elements of a row; zeros beyond."""

    def row(i: int) -> Any:
        parts = [load_partial(x, i + v * shape.lanes, n - v * shape.lanes) for v in range(shape.vecs)]
        return np.concatenate(parts)

    return _gather(shape, row, base, offsets)


def _gather(shape: TileShape, row: Any, base: int, offsets: tuple[int, ...]) -> Any:
    return np.stack([row(base + offset) for offset in offsets]).reshape(shape.rows, shape.vecs, shape.lanes)


def tile_store(acc: Any, y: Any, base: int, offsets: tuple[int, ...]) -> None:
    """Store row r at ``y[base + offsets[r] :]``; a later row wins where rows share an address."""
    for row, offset in zip(acc, offsets, strict=True):
        for v, vector in enumerate(row):
            store(y, base + offset + v * vector.size, vector)


def tile_store_partial(acc: Any, y: Any, base: int, offsets: tuple[int, ...], n: int) -> None:
    """As :func:`tile_store`, but only the first ``n`` elements of a row."""
    for row, offset in zip(acc, offsets, strict=True):
        for v, vector in enumerate(row):
            store_partial(y, base + offset + v * vector.size, vector, n - v * vector.size)


def outer_fma(acc: Any, x: Any, base: int, offsets: tuple[int, ...], w: Any, wi: int) -> Any:
    """``acc[r, v] += x[base + offsets[r]] * w[wi + v * lanes :]``: numbers of x times vectors of w.

    One broadcast load a row and one load a vector feed ``rows * vecs`` fused multiply-adds.
    """
    _, vecs, lanes = acc.shape
    numbers = np.array([flat(x)[base + offset] for offset in offsets], acc.dtype)
    vectors = flat(w)[wi : wi + vecs * lanes].reshape(vecs, lanes)
    return _fma(acc, numbers[:, None, None], vectors[None])


def outer_fma_row(shape: TileShape, acc: Any, x: Any, xi: int, step: int, w: Any, wi: int, w_step: int) -> Any:
    """One kernel row: ``acc[r, 0] += sum_k x[xi + (r + k) * step] * w[wi + k * w_step :]``, k < ``shape.taps``.

    The rows are neighbouring pixels, so each number of x is broadcast once and feeds up to ``taps`` of them. ``vecs``
    must be 1: the form for layers with few filters, where plain :func:`outer_fma` is bound by its broadcasts.
    """
    for k in range(shape.taps):
        offsets = tuple((r + k) * step for r in range(shape.rows))
        acc = outer_fma(acc, x, xi, offsets, w, wi + k * w_step)
    return acc


def lane_fma(acc: Any, x: Any, base: int, offsets: tuple[int, ...], w: Any, wi: int) -> Any:
    """``acc[r, v] += x[base + offsets[r] + v * lanes :] * w[wi + v * lanes :]``: lane by lane (depthwise)."""
    _, vecs, lanes = acc.shape
    xs = np.stack([flat(x)[base + offset :][: vecs * lanes] for offset in offsets]).reshape(acc.shape)
    return _fma(acc, xs, flat(w)[wi : wi + vecs * lanes].reshape(1, vecs, lanes))


def _fma(acc: Any, a: Any, b: Any) -> Any:
    wide = np.longdouble if acc.dtype == np.float64 else np.float64
    return (a.astype(wide) * b + acc).astype(acc.dtype)


def column_sums(acc: Any) -> Any:
    """Sum over rows, pairwise in a fixed tree; a tile of one row."""
    rows = list(acc)
    while len(rows) > 1:
        pairs = [rows[i] + rows[i + 1] for i in range(0, len(rows) - 1, 2)]
        rows = pairs + rows[len(pairs) * 2 :]
    return rows[0][None]


# ---------------------------------------------------------------- compiled forms


def _vectors(builder: ir.IRBuilder, tile: ir.Value, kind: TileType) -> list[ir.Value]:
    return [builder.extract_value(tile, i) for i in range(kind.rows * kind.vecs)]


def _pack(builder: ir.IRBuilder, context: Any, kind: TileType, vectors: list[ir.Value]) -> ir.Value:
    tile: ir.Value = ir.Constant(context.get_value_type(kind), ir.Undefined)
    for i, vector in enumerate(vectors):
        tile = builder.insert_value(tile, vector, i)
    return tile


def _rows(builder: ir.IRBuilder, kind: types.UniTuple, offsets: ir.Value) -> list[ir.Value]:
    return cgutils.unpack_tuple(builder, offsets, kind.count)


def _addresses(shape: Any, x: Any, base: Any, offsets: Any, *integers: Any) -> bool:
    """Whether array, base and one offset a row fit a tile or a tile shape."""
    if not isinstance(shape, TileShapeType | TileType):
        return False
    tile = shape.tile if isinstance(shape, TileShapeType) else shape
    return (
        code.is_array(x)
        and x.dtype == tile.dtype
        and code.are_integers(base, *integers)
        and isinstance(offsets, types.UniTuple)
        and offsets.count == tile.rows
    )


def _offsets_type(shape: Any, table: Any, i: Any) -> Any:
    if isinstance(shape, TileShapeType) and code.is_memory(table) and table.dtype == types.int64:
        return types.UniTuple(types.int64, shape.rows)
    return None


@code.primitive(row_offsets, _offsets_type)
def _(builder: ir.IRBuilder, context: Any, sig: Any, shape: ir.Value, table: ir.Value, i: ir.Value) -> ir.Value:
    first = code.element(builder, context, sig.args[1], table, i)
    values = [code.load_scalar(builder, first, code.index(r)) for r in range(sig.args[0].rows)]
    return context.make_tuple(builder, sig.return_type, values)


@code.primitive(zeros, lambda shape: shape.tile if isinstance(shape, TileShapeType) else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, shape: ir.Value) -> ir.Value:
    tile = sig.return_type
    return ir.Constant(context.get_value_type(tile), [code.constant(tile.vector, 0.0)] * (tile.rows * tile.vecs))


@code.primitive(spread, lambda shape, w, wi: shape.tile if _addresses(shape, w, wi, _no_offsets(shape)) else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, shape: ir.Value, w: ir.Value, wi: ir.Value) -> ir.Value:
    tile = sig.return_type
    row = _row_vectors(builder, tile, code.element(builder, context, sig.args[1], w, wi))
    return _pack(builder, context, tile, row * tile.rows)


def _no_offsets(shape: Any) -> Any:
    return types.UniTuple(types.int64, getattr(shape, "rows", 0))


def _row_vectors(builder: ir.IRBuilder, tile: TileType, pointer: ir.Value) -> list[ir.Value]:
    """The ``vecs`` vectors at ``pointer``."""
    return [
        code.load_vector(builder, tile.vector, builder.gep(pointer, [code.index(v * tile.lanes)]))
        for v in range(tile.vecs)
    ]


@code.primitive(tile_load, lambda shape, x, base, o: shape.tile if _addresses(shape, x, base, o) else None)
def _(
    builder: ir.IRBuilder, context: Any, sig: Any, shape: ir.Value, x: ir.Value, base: ir.Value, offsets: ir.Value
) -> Any:
    first = code.element(builder, context, sig.args[1], x, base)
    vectors = []
    for offset in _rows(builder, sig.args[3], offsets):
        vectors += _row_vectors(builder, sig.return_type, builder.gep(first, [offset]))
    return _pack(builder, context, sig.return_type, vectors)


@code.primitive(tile_load_partial, lambda s, x, base, o, n: s.tile if _addresses(s, x, base, o, n) else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, shape: Any, x: Any, base: Any, offsets: Any, n: Any) -> ir.Value:
    tile = sig.return_type
    first = code.element(builder, context, sig.args[1], x, base)
    masks = _column_masks(builder, tile, n)
    vectors = []
    for offset in _rows(builder, sig.args[3], offsets):
        for v, mask in enumerate(masks):
            pointer = builder.gep(builder.gep(first, [offset]), [code.index(v * tile.lanes)])
            vectors.append(code.load_masked(builder, tile.vector, pointer, mask))
    return _pack(builder, context, tile, vectors)


def _column_masks(builder: ir.IRBuilder, tile: TileType, n: ir.Value) -> list[ir.Value]:
    wide = code.as_index(builder, n)
    return [
        code.first_lanes(builder, tile.lanes, builder.sub(wide, code.index(v * tile.lanes))) for v in range(tile.vecs)
    ]


@code.primitive(tile_store, lambda acc, y, base, o: types.none if _addresses(acc, y, base, o) else None)
def _(
    builder: ir.IRBuilder, context: Any, sig: Any, acc: ir.Value, y: ir.Value, base: ir.Value, offsets: ir.Value
) -> None:
    tile = sig.args[0]
    first = code.element(builder, context, sig.args[1], y, base)
    vectors = iter(_vectors(builder, acc, tile))
    for offset in _rows(builder, sig.args[3], offsets):
        row = builder.gep(first, [offset])
        for v in range(tile.vecs):
            code.store_vector(builder, tile.vector, next(vectors), builder.gep(row, [code.index(v * tile.lanes)]))


@code.primitive(tile_store_partial, lambda acc, y, base, o, n: types.none if _addresses(acc, y, base, o, n) else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, acc: Any, y: Any, base: Any, offsets: Any, n: Any) -> None:
    tile = sig.args[0]
    first = code.element(builder, context, sig.args[1], y, base)
    masks = _column_masks(builder, tile, n)
    vectors = iter(_vectors(builder, acc, tile))
    for offset in _rows(builder, sig.args[3], offsets):
        row = builder.gep(first, [offset])
        for v, mask in enumerate(masks):
            pointer = builder.gep(row, [code.index(v * tile.lanes)])
            code.store_masked(builder, tile.vector, next(vectors), pointer, mask)


def _product_type(acc: Any, x: Any, base: Any, offsets: Any, w: Any, wi: Any) -> Any:
    fits = isinstance(acc, TileType) and _addresses(acc, x, base, offsets, wi) and code.is_array(w)
    return acc if fits and w.dtype == acc.dtype else None


@code.primitive(outer_fma, _product_type)
def _(
    builder: ir.IRBuilder, context: Any, sig: Any, acc: Any, x: Any, base: Any, offsets: Any, w: Any, wi: Any
) -> ir.Value:
    tile = sig.return_type
    first = code.element(builder, context, sig.args[1], x, base)
    weights = _row_vectors(builder, tile, code.element(builder, context, sig.args[4], w, wi))
    sums = _vectors(builder, acc, tile)
    for r, offset in enumerate(_rows(builder, sig.args[3], offsets)):
        number = code.splat(builder, code.load_scalar(builder, first, offset), tile.lanes)
        for v, weight in enumerate(weights):
            i = r * tile.vecs + v
            sums[i] = code.fma(builder, tile.vector, number, weight, sums[i])
    return _pack(builder, context, tile, sums)


@code.primitive(lane_fma, _product_type)
def _(
    builder: ir.IRBuilder, context: Any, sig: Any, acc: Any, x: Any, base: Any, offsets: Any, w: Any, wi: Any
) -> ir.Value:
    tile = sig.return_type
    first = code.element(builder, context, sig.args[1], x, base)
    weights = _row_vectors(builder, tile, code.element(builder, context, sig.args[4], w, wi))
    sums = _vectors(builder, acc, tile)
    for r, offset in enumerate(_rows(builder, sig.args[3], offsets)):
        row = _row_vectors(builder, tile, builder.gep(first, [offset]))
        for v, weight in enumerate(weights):
            i = r * tile.vecs + v
            sums[i] = code.fma(builder, tile.vector, row[v], weight, sums[i])
    return _pack(builder, context, tile, sums)


def _kernel_row_type(shape: Any, acc: Any, x: Any, xi: Any, step: Any, w: Any, wi: Any, w_step: Any) -> Any:
    fits = isinstance(shape, TileShapeType) and shape.vecs == 1 and shape.tile == acc
    return acc if fits and code.is_array(x) and code.is_array(w) and code.are_integers(xi, step, wi, w_step) else None


@code.primitive(outer_fma_row, _kernel_row_type)
def _(
    builder: ir.IRBuilder, context: Any, sig: Any, shape: Any, acc: Any, x: Any, xi: Any, step: Any, *kernel: Any
) -> Any:
    w, wi, w_step = kernel
    tile, taps = sig.return_type, sig.args[0].taps
    first = code.element(builder, context, sig.args[2], x, xi)
    taps_start = code.element(builder, context, sig.args[5], w, wi)
    step, w_step = code.as_index(builder, step), code.as_index(builder, w_step)
    weights = [
        code.load_vector(builder, tile.vector, builder.gep(taps_start, [builder.mul(w_step, code.index(k))]))
        for k in range(taps)
    ]
    sums = _vectors(builder, acc, tile)
    for pixel in range(tile.rows + taps - 1):
        at = builder.mul(step, code.index(pixel))
        number = code.splat(builder, code.load_scalar(builder, first, at), tile.lanes)
        for k in range(max(0, pixel - tile.rows + 1), min(taps, pixel + 1)):
            sums[pixel - k] = code.fma(builder, tile.vector, number, weights[k], sums[pixel - k])
    return _pack(builder, context, tile, sums)


def _one_row(acc: Any) -> Any:
    return TileType(acc.dtype, 1, acc.vecs) if isinstance(acc, TileType) else None


@code.primitive(column_sums, _one_row)
def _(builder: ir.IRBuilder, context: Any, sig: Any, acc: ir.Value) -> ir.Value:
    tile = sig.args[0]
    vectors = _vectors(builder, acc, tile)
    rows = [vectors[r * tile.vecs : (r + 1) * tile.vecs] for r in range(tile.rows)]
    while len(rows) > 1:
        pairs = [
            [builder.fadd(a, b) for a, b in zip(rows[i], rows[i + 1], strict=True)] for i in range(0, len(rows) - 1, 2)
        ]
        rows = pairs + rows[len(pairs) * 2 :]
    return _pack(builder, context, sig.return_type, rows[0])


def _elementwise(name: str) -> Any:
    """Two tiles of the same shape, vector by vector."""

    def generate(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
        tile: ir.Value = ir.Constant(a.type, ir.Undefined)
        for i in range(a.type.count):
            value = getattr(builder, name)(builder.extract_value(a, i), builder.extract_value(b, i))
            tile = builder.insert_value(tile, value, i)
        return tile

    return generate


for _symbol, _name in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _operator(_symbol, TileType, lambda kind: kind, _elementwise(_name))

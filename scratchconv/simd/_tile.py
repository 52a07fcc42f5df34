"""Register tiles: how they are made, loaded and stored.

A tile holds ``rows`` x ``vecs`` vectors. Its rows are any things that share the vectors of the other operand: output
pixels that share a kernel tap's filters, or (tap, channel) pairs that share a pixel's gradient. Where a row lives in
memory is told by ``offsets``, a tuple with one flat offset a row (see :func:`row_offsets`), added to a common base.

In plain Python a tile is an array of shape (rows, vecs, lanes).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from scratchconv.simd import _codegen as code
from scratchconv.simd._types import TileShape, TileShapeType, TileType
from scratchconv.simd._vector import flat, load_partial, store, store_partial


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


def tile_stream(acc: Any, y: Any, base: int, offsets: tuple[int, ...]) -> None:
    """As :func:`tile_store`, past the caches (see ``stream``); every address must divide a vector."""
    tile_store(acc, y, base, offsets)


def tile_store_partial(acc: Any, y: Any, base: int, offsets: tuple[int, ...], n: int) -> None:
    """As :func:`tile_store`, but only the first ``n`` elements of a row."""
    for row, offset in zip(acc, offsets, strict=True):
        for v, vector in enumerate(row):
            store_partial(y, base + offset + v * vector.size, vector, n - v * vector.size)


# ---------------------------------------------------------------- compiled forms


def vectors_of(builder: ir.IRBuilder, tile: ir.Value, kind: TileType) -> list[ir.Value]:
    return [builder.extract_value(tile, i) for i in range(kind.rows * kind.vecs)]


def pack(builder: ir.IRBuilder, context: Any, kind: TileType, vectors: list[ir.Value]) -> ir.Value:
    tile: ir.Value = ir.Constant(context.get_value_type(kind), ir.Undefined)
    for i, vector in enumerate(vectors):
        tile = builder.insert_value(tile, vector, i)
    return tile


def offset_values(builder: ir.IRBuilder, kind: types.UniTuple, offsets: ir.Value) -> list[ir.Value]:
    return cgutils.unpack_tuple(builder, offsets, kind.count)


def addresses(shape: Any, x: Any, base: Any, offsets: Any, *integers: Any) -> bool:
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


@code.primitive(spread, lambda shape, w, wi: shape.tile if addresses(shape, w, wi, _no_offsets(shape)) else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, shape: ir.Value, w: ir.Value, wi: ir.Value) -> ir.Value:
    tile = sig.return_type
    row = row_vectors(builder, tile, code.element(builder, context, sig.args[1], w, wi))
    return pack(builder, context, tile, row * tile.rows)


def _no_offsets(shape: Any) -> Any:
    return types.UniTuple(types.int64, getattr(shape, "rows", 0))


def row_vectors(builder: ir.IRBuilder, tile: TileType, pointer: ir.Value) -> list[ir.Value]:
    """The ``vecs`` vectors at ``pointer``."""
    return [
        code.load_vector(builder, tile.vector, builder.gep(pointer, [code.index(v * tile.lanes)]))
        for v in range(tile.vecs)
    ]


@code.primitive(tile_load, lambda shape, x, base, o: shape.tile if addresses(shape, x, base, o) else None)
def _(
    builder: ir.IRBuilder, context: Any, sig: Any, shape: ir.Value, x: ir.Value, base: ir.Value, offsets: ir.Value
) -> Any:
    first = code.element(builder, context, sig.args[1], x, base)
    vectors = []
    for offset in offset_values(builder, sig.args[3], offsets):
        vectors += row_vectors(builder, sig.return_type, builder.gep(first, [offset]))
    return pack(builder, context, sig.return_type, vectors)


@code.primitive(tile_load_partial, lambda s, x, base, o, n: s.tile if addresses(s, x, base, o, n) else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, shape: Any, x: Any, base: Any, offsets: Any, n: Any) -> ir.Value:
    tile = sig.return_type
    first = code.element(builder, context, sig.args[1], x, base)
    masks = _column_masks(builder, tile, n)
    vectors = []
    for offset in offset_values(builder, sig.args[3], offsets):
        for v, mask in enumerate(masks):
            pointer = builder.gep(builder.gep(first, [offset]), [code.index(v * tile.lanes)])
            vectors.append(code.load_masked(builder, tile.vector, pointer, mask))
    return pack(builder, context, tile, vectors)


def _column_masks(builder: ir.IRBuilder, tile: TileType, n: ir.Value) -> list[ir.Value]:
    wide = code.as_index(builder, n)
    return [
        code.first_lanes(builder, tile.lanes, builder.sub(wide, code.index(v * tile.lanes))) for v in range(tile.vecs)
    ]


def _stored_by(put: Any) -> Any:
    """Store each vector of a tile by ``put``."""

    def generate(builder: ir.IRBuilder, context: Any, sig: Any, acc: Any, y: Any, base: Any, offsets: Any) -> None:
        tile = sig.args[0]
        first = code.element(builder, context, sig.args[1], y, base)
        vectors = iter(vectors_of(builder, acc, tile))
        for offset in offset_values(builder, sig.args[3], offsets):
            row = builder.gep(first, [offset])
            for v in range(tile.vecs):
                put(builder, tile.vector, next(vectors), builder.gep(row, [code.index(v * tile.lanes)]))

    return generate


for _function, _put in ((tile_store, code.store_vector), (tile_stream, code.stream_vector)):
    code.primitive(_function, lambda acc, y, base, o: types.none if addresses(acc, y, base, o) else None)(
        _stored_by(_put)
    )


@code.primitive(tile_store_partial, lambda acc, y, base, o, n: types.none if addresses(acc, y, base, o, n) else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, acc: Any, y: Any, base: Any, offsets: Any, n: Any) -> None:
    tile = sig.args[0]
    first = code.element(builder, context, sig.args[1], y, base)
    masks = _column_masks(builder, tile, n)
    vectors = iter(vectors_of(builder, acc, tile))
    for offset in offset_values(builder, sig.args[3], offsets):
        row = builder.gep(first, [offset])
        for v, mask in enumerate(masks):
            pointer = builder.gep(row, [code.index(v * tile.lanes)])
            code.store_masked(builder, tile.vector, next(vectors), pointer, mask)

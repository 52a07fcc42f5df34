"""Constant linear maps of register tiles: the transforms of Winograd's convolution.

A ``Transform`` is, like a ``TileShape``, an argument without data: the exact fractions of its two matrices are part of
its type, so compiled code holds them as constants, leaves out the zeros and adds where others multiply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from scratchconv.simd import _codegen as code
from scratchconv.simd._tile import pack, tile_load, tile_store, vectors_of
from scratchconv.simd._types import TileShape, TileShapeType, VectorType, without_data

Entries = tuple[tuple[Fraction, ...], ...]


class Transform:
    """X ↦ left · X · rightᵀ for grids X of vectors of ``dtype``, as an argument.

    ``source`` and ``result`` are the shapes of the tiles that hold the grids, row after row of the grid;
    ``source_columns`` and ``columns`` are their widths, ``source_rows`` and ``rows`` their heights.
    """

    def __init__(self, left: Sequence[Sequence[Any]], right: Sequence[Sequence[Any]], dtype: Any) -> None:
        self.left, self.right = _entries(left), _entries(right)
        self.rows, self.source_rows = len(self.left), len(self.left[0])
        self.columns, self.source_columns = len(self.right), len(self.right[0])
        self.source = TileShape(self.source_rows * self.source_columns, 1, dtype)
        self.result = TileShape(self.rows * self.columns, 1, dtype)
        self._numba_type_ = TransformType(self)


class TransformType(types.Type):
    """Numba type of one particular :class:`Transform`."""

    def __init__(self, transform: Transform) -> None:
        self.left, self.right = transform.left, transform.right
        self.source, self.result = transform.source._numba_type_, transform.result._numba_type_
        for name in _SIZES:
            setattr(self, name, getattr(transform, name))
        super().__init__(f"Transform({_text(self.left)} | {_text(self.right)}, {self.source.tile.dtype})")


_SIZES = ("rows", "columns", "source_rows", "source_columns")


def _entries(matrix: Sequence[Sequence[Any]]) -> Entries:
    return tuple(tuple(Fraction(entry) for entry in row) for row in matrix)


def _text(matrix: Entries) -> str:
    return "; ".join(" ".join(map(str, row)) for row in matrix)


without_data(Transform, TransformType, "source", "result", *_SIZES)


def grid_offsets(shape: TileShape, columns: int, row_step: int, column_step: int) -> tuple[int, ...]:
    """Offsets of a tile whose rows are a grid, ``columns`` wide: row r lies at (r // columns, r % columns)."""
    return tuple(r // columns * row_step + r % columns * column_step for r in range(shape.rows))


def transform(t: Transform, tile: Any) -> Any:
    """Apply ``t`` to the grid of vectors in the rows of ``tile``."""
    _, vecs, lanes = tile.shape
    grid = tile.reshape(t.source_rows, t.source_columns, vecs * lanes).astype(np.float64)
    left, right = (np.array(matrix, np.float64) for matrix in (t.left, t.right))
    result = np.einsum("ai,ijl,bj->abl", left, grid, right)
    return result.reshape(t.rows * t.columns, vecs, lanes).astype(tile.dtype)


def transform_grid(t: Transform, x: Any, at: int, steps: Any, add: Any, y: Any, o: int, out_steps: Any) -> None:
    """y[grid at o] = left · x[grid at ``at``] · rightᵀ + ``add``, a vector. Steps are (row, column), y apart from x.

    Results that are made of different parts of x are loaded, computed and stored one group after the other: large
    grids need few registers.
    """
    tile = tile_load(t.source, x, at, grid_offsets(t.source, t.source_columns, *steps))
    tile_store(transform(t, tile) + add, y, o, grid_offsets(t.result, t.columns, *out_steps))


# ---------------------------------------------------------------- compiled forms


@code.primitive(
    grid_offsets,
    lambda shape, columns, row, column: (
        types.UniTuple(types.int64, shape.rows)
        if isinstance(shape, TileShapeType) and code.are_integers(columns, row, column)
        else None
    ),
)
def _(builder: ir.IRBuilder, context: Any, sig: Any, shape: Any, columns: Any, row: Any, column: Any) -> ir.Value:
    columns, row, column = (code.as_index(builder, value) for value in (columns, row, column))
    offsets = []
    for r in range(sig.args[0].rows):
        i, j = builder.sdiv(code.index(r), columns), builder.srem(code.index(r), columns)
        offsets.append(builder.add(builder.mul(i, row), builder.mul(j, column)))
    return context.make_tuple(builder, sig.return_type, offsets)


def _transformed(t: Any, tile: Any) -> Any:
    return t.result.tile if isinstance(t, TransformType) and t.source.tile == tile else None


@code.primitive(transform, _transformed)
def _(builder: ir.IRBuilder, context: Any, sig: Any, t: Any, tile: ir.Value) -> ir.Value:
    t, source = sig.args
    xs, width = vectors_of(builder, tile, source), t.source_columns
    columns = [apply(builder, source.vector, t.left, xs[j::width]) for j in range(width)]
    rows = [apply(builder, source.vector, t.right, [column[i] for column in columns]) for i in range(len(t.left))]
    return pack(builder, context, sig.return_type, [vector for row in rows for vector in row])


def _grids(t: Any, x: Any, at: Any, steps: Any, add: Any, y: Any, o: Any, out_steps: Any) -> Any:
    fits = isinstance(t, TransformType) and code.is_array(x) and code.is_array(y) and code.are_integers(at, o)
    fits = fits and x.dtype == y.dtype == t.source.tile.dtype and steps == out_steps == types.UniTuple(types.int64, 2)
    return types.none if fits and add == t.source.tile.vector else None


@code.primitive(transform_grid, _grids)
def _(builder: ir.IRBuilder, context: Any, sig: Any, *values: ir.Value) -> None:
    t, kind = sig.args[0], sig.args[4]
    _, x, at, steps, add, y, o, out_steps = values
    source = _grid(builder, code.element(builder, context, sig.args[1], x, at), steps)
    target = _grid(builder, code.element(builder, context, sig.args[5], y, o), out_steps)
    for (out_rows, in_rows), (out_columns, in_columns) in product(groups(t.left), groups(t.right)):
        left, right = part_of(t.left, out_rows, in_rows), part_of(t.right, out_columns, in_columns)
        xs = [[code.load_vector(builder, kind, source(i, j)) for i in in_rows] for j in in_columns]
        columns = [apply(builder, kind, left, column) for column in xs]
        for k, i in enumerate(out_rows):
            results = apply(builder, kind, right, [column[k] for column in columns])
            for j, value in zip(out_columns, results, strict=True):
                code.store_vector(builder, kind, builder.fadd(value, add, flags=["nsz"]), target(i, j))


def _grid(builder: ir.IRBuilder, first: ir.Value, steps: ir.Value) -> Callable[[int, int], ir.Value]:
    """Return the function that makes the pointer to a place (row, column) of a grid."""
    row, column = cgutils.unpack_tuple(builder, steps, 2)

    def pointer(i: int, j: int) -> ir.Value:
        return builder.gep(first, [builder.add(builder.mul(code.index(i), row), builder.mul(code.index(j), column))])

    return pointer


def groups(matrix: Entries) -> list[tuple[list[int], list[int]]]:
    """Rows and columns that belong together: no row of a group has an entry in a column of another."""
    found: list[tuple[set[int], set[int]]] = []
    for i, row in enumerate(matrix):
        rows, columns = {i}, {j for j, entry in enumerate(row) if entry}
        for group in [group for group in found if group[1] & columns]:
            found.remove(group)
            rows, columns = rows | group[0], columns | group[1]
        found.append((rows, columns))
    return [(sorted(rows), sorted(columns)) for rows, columns in found]


def part_of(matrix: Entries, rows: list[int], columns: list[int]) -> Entries:
    """The submatrix of some rows and columns."""
    return tuple(tuple(matrix[i][j] for j in columns) for i in rows)


def apply(builder: ir.IRBuilder, kind: VectorType, matrix: Entries, xs: list[ir.Value]) -> list[ir.Value]:
    """``matrix`` times the vectors ``xs``.

    Points of opposite sign make pairs of rows, or of columns, that are equal up to signs. Of a pair of rows the common
    part c and the opposed part d are computed once and give c + d and c - d; a pair of columns works the other way.
    """
    transposed = tuple(zip(*matrix, strict=True))
    pair = mirrored_pair(transposed) if len(matrix) < len(xs) else None
    if pair:
        j, k = pair
        xs = list(xs)
        xs[j], xs[k] = builder.fadd(xs[j], xs[k]), builder.fsub(xs[j], xs[k])
        return apply(builder, kind, tuple(zip(*split_pair(transposed, j, k), strict=True)), xs)
    pair = mirrored_pair(matrix)
    if pair:
        j, k = pair
        ys = apply(builder, kind, split_pair(matrix, j, k), xs)
        ys[j], ys[k] = builder.fadd(ys[j], ys[k]), builder.fsub(ys[j], ys[k])
        return ys
    return [_weighted_sum(builder, kind, row, xs) for row in matrix]


def mirrored_pair(rows: Entries) -> tuple[int, int] | None:
    """Two rows that are equal up to signs, some equal and some opposed."""
    for j, row in enumerate(rows):
        for k in range(j + 1, len(rows)):
            if all(abs(a) == abs(b) for a, b in zip(row, rows[k], strict=True)):
                opposed = [a != b for a, b in zip(row, rows[k], strict=True) if a]
                if any(opposed) and not all(opposed):
                    return j, k
    return None


def split_pair(rows: Entries, j: int, k: int) -> Entries:
    """Replace rows j and k by their common part and their opposed part."""
    common = tuple(a if a == b else Fraction(0) for a, b in zip(rows[j], rows[k], strict=True))
    opposed = tuple(a if a != b else Fraction(0) for a, b in zip(rows[j], rows[k], strict=True))
    return tuple(common if i == j else opposed if i == k else row for i, row in enumerate(rows))


def _weighted_sum(builder: ir.IRBuilder, kind: VectorType, weights: tuple[Fraction, ...], xs: Any) -> ir.Value:
    """Sum of ``weights[i] * xs[i]``: additions for ±1, fused multiply-adds for the rest."""
    terms = [(weight, x) for weight, x in zip(weights, xs, strict=True) if weight]
    if not terms:
        return code.constant(kind, 0.0)
    terms.sort(key=lambda term: (abs(term[0]) != 1, term[0] < 0))  # +1 first, then -1, then the others
    weight, total = terms[0]
    if weight != 1:
        total = builder.fmul(total, code.constant(kind, float(weight)))
    for weight, x in terms[1:]:
        if weight == 1:
            total = builder.fadd(total, x)
        elif weight == -1:
            total = builder.fsub(total, x)
        else:
            total = code.fma(builder, kind, x, code.constant(kind, float(weight)), total)
    return total

"""Transposing a square of numbers in registers, as packing of matrices needs it."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from scratchconv.simd import _codegen as code
from scratchconv.simd._tile import pack, vectors_of
from scratchconv.simd._types import TileType


def transpose(tile: Any) -> Any:
    """The transposed matrix of a tile of as many rows as a vector has lanes, one vector a row."""
    return tile.transpose(2, 1, 0).copy()


@code.primitive(
    transpose,
    lambda tile: tile if isinstance(tile, TileType) and (tile.rows, tile.vecs) == (tile.lanes, 1) else None,
)
def _(builder: ir.IRBuilder, context: Any, sig: Any, tile: ir.Value) -> ir.Value:
    """For each bit of the numbers of row and lane, swap (row bit 1, lane bit 0) with (row bit 0, lane bit 1)."""
    kind = sig.return_type
    rows, lanes = vectors_of(builder, tile, kind), range(kind.lanes)
    bit = 1
    while bit < kind.lanes:
        for r in (row for row in lanes if not row & bit):
            a, b = rows[r], rows[r | bit]
            # A shuffle numbers the lanes of a from 0 and those of b from ``lanes`` on.
            rows[r] = _shuffle(builder, a, b, [lane if not lane & bit else kind.lanes + (lane ^ bit) for lane in lanes])
            rows[r | bit] = _shuffle(
                builder, a, b, [lane | bit if not lane & bit else kind.lanes + lane for lane in lanes]
            )
        bit *= 2
    return pack(builder, context, kind, rows)


def _shuffle(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, chosen: list[int]) -> ir.Value:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(chosen)), chosen))

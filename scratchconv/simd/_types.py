"""The three value types that Numba lacks, and the typed argument that chooses a tile's shape.

``Vector``  one register: ``lanes`` numbers.                     LLVM: <lanes x float>
``Mask``    one truth value a lane, from comparing vectors.      LLVM: <lanes x i1>
``Tile``    rows x vecs vectors, all meant to stay in registers. LLVM: [rows * vecs x <lanes x float>]

A ``TileShape`` carries no data. Passed to a compiled function it is a type of its own, so the function is compiled
for that very shape and ``shape.rows``, ``shape.vecs``, ``shape.width`` and ``shape.taps`` are constants inside it.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.typing.templates import AttributeTemplate
from numba.extending import NativeValue, infer_getattr, lower_getattr, register_model, typeof_impl, unbox
from numba.np import numpy_support

from scratchconv.simd import _cpu


class VectorType(types.Type):
    """Numba type of one register of ``dtype``."""

    def __init__(self, dtype: types.Type) -> None:
        self.dtype = dtype
        self.lanes = _cpu.vector_bytes() * 8 // dtype.bitwidth
        super().__init__(f"Vector({dtype} x {self.lanes})")


class MaskType(types.Type):
    """Numba type of one truth value per lane."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(f"Mask({lanes})")


class TileType(types.Type):
    """Numba type of a register tile of ``rows`` x ``vecs`` vectors."""

    def __init__(self, dtype: types.Type, rows: int, vecs: int) -> None:
        self.vector = VectorType(dtype)
        self.dtype, self.rows, self.vecs, self.lanes = dtype, rows, vecs, self.vector.lanes
        super().__init__(f"Tile({rows} x {vecs} x {self.vector})")


class TileShape:
    """A tile's shape as an argument: ``rows`` x ``vecs`` vectors of ``dtype``; ``taps`` for :func:`outer_fma_row`.

    Equal arguments give the same object: to make one costs as much as to run a small kernel.
    """

    rows: int
    vecs: int
    taps: int
    lanes: int
    width: int
    dtype: np.dtype[Any]
    _numba_type_: TileShapeType

    def __new__(cls, rows: int, vecs: int, dtype: Any, taps: int = 1) -> TileShape:
        return _tile_shape(rows, vecs, np.dtype(dtype), taps)

    def __repr__(self) -> str:
        return f"TileShape({self.rows}, {self.vecs}, {self.dtype}, taps={self.taps})"


@functools.cache
def _tile_shape(rows: int, vecs: int, dtype: np.dtype[Any], taps: int) -> TileShape:
    shape = object.__new__(TileShape)
    shape.rows, shape.vecs, shape.taps, shape.dtype = rows, vecs, taps, dtype
    shape.lanes = _cpu.lanes(dtype)
    shape.width = vecs * shape.lanes
    # Numba reads this attribute first: 0.4 µs a call instead of 2.7 µs for a registered typeof.
    shape._numba_type_ = TileShapeType(rows, vecs, numpy_support.from_dtype(dtype), taps)
    return shape


class TileShapeType(types.Type):
    """Numba type of one particular :class:`TileShape`."""

    def __init__(self, rows: int, vecs: int, dtype: types.Type, taps: int) -> None:
        self.tile = TileType(dtype, rows, vecs)
        self.rows, self.vecs, self.taps = rows, vecs, taps
        self.lanes = self.tile.lanes
        self.width = vecs * self.lanes
        super().__init__(f"TileShape({self.tile}, taps={taps})")


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: VectorType) -> None:
        super().__init__(manager, kind, vector_ir(kind))


@register_model(MaskType)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: MaskType) -> None:
        super().__init__(manager, kind, ir.VectorType(ir.IntType(1), kind.lanes))


@register_model(TileType)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: TileType) -> None:
        super().__init__(manager, kind, ir.ArrayType(vector_ir(kind.vector), kind.rows * kind.vecs))


def without_data(host: type, kind: type, *names: str) -> None:
    """Let compiled functions take ``host`` objects, whose whole meaning is in their type ``kind``.

    ``names`` are the attributes that compiled code may read: integers, as constants, and further types without data.
    """
    register_model(kind)(models.OpaqueModel)

    @typeof_impl.register(host)
    def typeof_host(value: Any, context: Any) -> Any:
        return value._numba_type_

    @unbox(kind)
    def unbox_host(kind: Any, value: Any, context: Any) -> NativeValue:
        return NativeValue(context.context.get_dummy_value())

    @infer_getattr
    class _Attributes(AttributeTemplate):
        key = kind

        def generic_resolve(self, owner: Any, name: str) -> Any:
            found = getattr(owner, name) if name in names else None
            return types.int64 if isinstance(found, int) else found

    for name in names:
        _constant_attribute(kind, name)


def _constant_attribute(kind: type, name: str) -> None:
    @lower_getattr(kind, name)
    def attribute(context: Any, builder: ir.IRBuilder, owner: Any, value: ir.Value) -> Any:
        found = getattr(owner, name)
        return ir.Constant(ir.IntType(64), found) if isinstance(found, int) else context.get_dummy_value()


without_data(TileShape, TileShapeType, "rows", "vecs", "width", "lanes", "taps")


def scalar_ir(dtype: types.Type) -> ir.Type:
    """LLVM type of one element."""
    return ir.FloatType() if dtype.bitwidth == 32 else ir.DoubleType()


def vector_ir(kind: VectorType) -> ir.VectorType:
    """LLVM type of one vector."""
    return ir.VectorType(scalar_ir(kind.dtype), kind.lanes)

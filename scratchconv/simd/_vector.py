"""Operations on vectors: load and store, arithmetic, compare and select.

Every function runs as plain Python on NumPy arrays (a vector is then a one-dimensional array) and inside compiled
kernels on registers. An array is addressed by a flat offset: element ``i`` counts from the start of its memory.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin

from scratchconv.simd import _codegen as code
from scratchconv.simd import _cpu
from scratchconv.simd._types import MaskType, VectorType


def flat(x: Any) -> Any:
    """The memory of a C-contiguous array as one dimension (plain Python only)."""
    if not x.flags.c_contiguous:
        raise ValueError(f"vector access needs a C-contiguous array, got strides {x.strides} for shape {x.shape}")
    return x.reshape(-1)


# ---------------------------------------------------------------- load, store


def lanes_of(x: Any) -> int:
    """Lanes of a vector of the dtype of ``x``; a constant in compiled code."""
    return _cpu.lanes(x.dtype)


def load(x: Any, i: int) -> Any:
    """Vector ``x[i : i + lanes]``."""
    return flat(x)[i : i + lanes_of(x)].copy()


def store(x: Any, i: int, v: Any) -> None:
    """``x[i : i + lanes] = v``."""
    flat(x)[i : i + lanes_of(x)] = v


def load_partial(x: Any, i: int, n: int) -> Any:
    """The first ``n`` lanes from ``x[i :]``, zeros in the others; touches no memory beyond."""
    v = np.zeros(lanes_of(x), x.dtype)
    n = max(0, min(n, v.size))
    v[:n] = flat(x)[i : i + n]
    return v


def store_partial(x: Any, i: int, v: Any, n: int) -> None:
    """Store the first ``n`` lanes at ``x[i :]``; touches no memory beyond."""
    n = max(0, min(n, lanes_of(x)))
    flat(x)[i : i + n] = v[:n]


def splat(x: Any, number: float) -> Any:
    """Vector of the dtype of array ``x`` with ``number`` in every lane."""
    return np.full(lanes_of(x), number, x.dtype)


def _array_and_integers(x: Any, *integers: Any) -> Any:
    return VectorType(x.dtype) if code.is_array(x) and code.are_integers(*integers) else None


@code.primitive(lanes_of, lambda x: types.intp if code.is_array(x) else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, x: ir.Value) -> ir.Value:
    return code.index(VectorType(sig.args[0].dtype).lanes)


@code.primitive(load, lambda x, i: _array_and_integers(x, i))
def _(builder: ir.IRBuilder, context: Any, sig: Any, x: ir.Value, i: ir.Value) -> ir.Value:
    return code.load_vector(builder, sig.return_type, code.element(builder, context, sig.args[0], x, i))


@code.primitive(store, lambda x, i, v: types.none if _array_and_integers(x, i) == v else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, x: ir.Value, i: ir.Value, v: ir.Value) -> None:
    code.store_vector(builder, sig.args[2], v, code.element(builder, context, sig.args[0], x, i))


@code.primitive(load_partial, lambda x, i, n: _array_and_integers(x, i, n))
def _(builder: ir.IRBuilder, context: Any, sig: Any, x: ir.Value, i: ir.Value, n: ir.Value) -> ir.Value:
    mask = code.first_lanes(builder, sig.return_type.lanes, n)
    return code.load_masked(builder, sig.return_type, code.element(builder, context, sig.args[0], x, i), mask)


@code.primitive(store_partial, lambda x, i, v, n: types.none if _array_and_integers(x, i, n) == v else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, x: ir.Value, i: ir.Value, v: ir.Value, n: ir.Value) -> None:
    mask = code.first_lanes(builder, sig.args[2].lanes, n)
    code.store_masked(builder, sig.args[2], v, code.element(builder, context, sig.args[0], x, i), mask)


@code.primitive(splat, lambda x, n: VectorType(x.dtype) if code.is_array(x) and isinstance(n, types.Number) else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, x: ir.Value, number: ir.Value) -> ir.Value:
    scalar = code.cast_scalar(builder, context, sig.args[1], number, sig.return_type.dtype)
    return code.splat(builder, scalar, sig.return_type.lanes)


# ---------------------------------------------------------------- arithmetic


def fma(a: Any, b: Any, c: Any) -> Any:
    """``a * b + c`` with one rounding (plain Python: exact product in float64 for float32 input)."""
    wide = np.longdouble if a.dtype == np.float64 else np.float64
    return (a.astype(wide) * b + c).astype(a.dtype)


def maximum(a: Any, b: Any) -> Any:
    """``a`` where ``a > b``, else ``b``: the second argument wins ties and unordered lanes (one instruction)."""
    return np.where(a > b, a, b)


def minimum(a: Any, b: Any) -> Any:
    """``a`` where ``a < b``, else ``b``: the second argument wins ties and unordered lanes (one instruction)."""
    return np.where(a < b, a, b)


def square_root(a: Any) -> Any:
    """Square root of each lane."""
    return np.sqrt(a)


def absolute(a: Any) -> Any:
    """Absolute value of each lane."""
    return np.abs(a)


def select(mask: Any, a: Any, b: Any) -> Any:
    """``a`` in the lanes of ``mask``, ``b`` in the others."""
    return np.where(mask, a, b)


def sum_lanes(a: Any) -> Any:
    """Sum of all lanes, by halving (a fixed order)."""
    a = a.copy()
    while a.size > 1:
        a = a[: a.size // 2] + a[a.size // 2 :]
    return a[0]


def _same(*kinds: Any) -> Any:
    return kinds[0] if isinstance(kinds[0], VectorType) and all(kind == kinds[0] for kind in kinds) else None


@code.primitive(fma, lambda a, b, c: _same(a, b, c))
def _(builder: ir.IRBuilder, context: Any, sig: Any, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    return code.fma(builder, sig.return_type, a, b, c)


@code.primitive(maximum, lambda a, b: _same(a, b))
def _(builder: ir.IRBuilder, context: Any, sig: Any, a: ir.Value, b: ir.Value) -> ir.Value:
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


@code.primitive(minimum, lambda a, b: _same(a, b))
def _(builder: ir.IRBuilder, context: Any, sig: Any, a: ir.Value, b: ir.Value) -> ir.Value:
    return builder.select(builder.fcmp_ordered("<", a, b), a, b)


@code.primitive(square_root, lambda a: _same(a))
def _(builder: ir.IRBuilder, context: Any, sig: Any, a: ir.Value) -> ir.Value:
    return code.unary(builder, sig.return_type, "sqrt", a)


@code.primitive(absolute, lambda a: _same(a))
def _(builder: ir.IRBuilder, context: Any, sig: Any, a: ir.Value) -> ir.Value:
    return code.unary(builder, sig.return_type, "fabs", a)


@code.primitive(select, lambda m, a, b: _same(a, b) if isinstance(m, MaskType) else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, mask: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
    return builder.select(mask, a, b)


@code.primitive(sum_lanes, lambda a: a.dtype if isinstance(a, VectorType) else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, a: ir.Value) -> ir.Value:
    return code.sum_of_lanes(builder, sig.args[0], a)


# ---------------------------------------------------------------- operators


def _operator(symbol: Any, operand: type, result: Any, generate: Any) -> None:
    """Give ``symbol`` a meaning for two values of type ``operand``; NumPy gives it in plain Python."""

    @infer_global(symbol)
    class _Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) == 2 and isinstance(args[0], operand) and args[0] == args[1]:
                return signature(result(args[0]), *args)
            return None

    @lower_builtin(symbol, operand, operand)
    def lower(context: Any, builder: ir.IRBuilder, sig: Any, values: Any) -> ir.Value:
        return generate(builder, *values)


def _compare(symbol: str) -> Any:
    ordered = symbol != "!="  # a lane with NaN differs from everything and is in no order
    return lambda builder, a, b: (builder.fcmp_ordered if ordered else builder.fcmp_unordered)(symbol, a, b)


for _symbol, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_symbol, VectorType, lambda kind: kind, lambda b, x, y, name=_name: getattr(b, name)(x, y))
for _symbol, _text in (
    (operator.lt, "<"),
    (operator.le, "<="),
    (operator.gt, ">"),
    (operator.ge, ">="),
    (operator.eq, "=="),
    (operator.ne, "!="),
):
    _operator(_symbol, VectorType, lambda kind: MaskType(kind.lanes), _compare(_text))
for _symbol, _name in ((operator.and_, "and_"), (operator.or_, "or_"), (operator.xor, "xor")):
    _operator(_symbol, MaskType, lambda kind: kind, lambda b, x, y, name=_name: getattr(b, name)(x, y))

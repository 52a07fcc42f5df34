"""Small pieces of LLVM from which the operations are put together, and how an operation is registered.

An operation is an ordinary Python function on NumPy arrays: what it does under ``NUMBA_DISABLE_JIT=1``, and what its
tests call its meaning. ``primitive`` gives the same function a second life: a typing rule and an LLVM body, used when
compiled code calls it.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import lower_builtin, type_callable

from scratchconv.simd import _cpu
from scratchconv.simd._types import VectorType, scalar_ir, vector_ir

I1, I8, I32, I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)


def primitive(function: Callable[..., Any], typing: Callable[..., Any]) -> Callable[..., Any]:
    """Register the decorated LLVM generator as the compiled form of ``function``.

    ``typing`` maps argument types to the result type, or to None when the arguments do not fit. The generator is
    called as ``generate(builder, context, signature, *values)``.
    """
    type_callable(function)(lambda context: typing)

    def register(generate: Callable[..., Any]) -> Callable[..., Any]:
        @lower_builtin(function, types.VarArg(types.Any))
        def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Sequence[ir.Value]) -> ir.Value:
            result = generate(builder, context, signature, *values)
            return context.get_dummy_value() if result is None else result

        return generate

    return register


def is_array(kind: Any) -> bool:
    """Whether ``kind`` is a C-contiguous array of float32 or float64."""
    return is_memory(kind) and isinstance(kind.dtype, types.Float)


def is_memory(kind: Any) -> bool:
    """Whether ``kind`` is a C-contiguous array, which flat offsets can address."""
    return isinstance(kind, types.Array) and kind.layout == "C"


def are_integers(*kinds: Any) -> bool:
    """Whether all ``kinds`` are integer types."""
    return all(isinstance(kind, types.Integer) for kind in kinds)


def index(number: int) -> ir.Constant:
    """A 64-bit constant."""
    return ir.Constant(I64, number)


def as_index(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Widen an integer to 64 bits."""
    return value if value.type == I64 else builder.sext(value, I64)


def element(builder: ir.IRBuilder, context: Any, kind: types.Array, array: ir.Value, at: ir.Value) -> ir.Value:
    """Pointer to element ``at`` of an array, counted in elements from its start."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [as_index(builder, at)])


def load_scalar(builder: ir.IRBuilder, pointer: ir.Value, offset: ir.Value) -> ir.Value:
    """One element at ``pointer + offset``."""
    return builder.load(builder.gep(pointer, [offset]))


def load_vector(builder: ir.IRBuilder, kind: VectorType, pointer: ir.Value) -> ir.Value:
    """One vector; promises no more alignment than an element's."""
    value = builder.load(builder.bitcast(pointer, vector_ir(kind).as_pointer()))
    value.align = kind.dtype.bitwidth // 8
    return value


def store_vector(builder: ir.IRBuilder, kind: VectorType, value: ir.Value, pointer: ir.Value) -> None:
    """Store one vector; promises no more alignment than an element's."""
    instruction = builder.store(value, builder.bitcast(pointer, vector_ir(kind).as_pointer()))
    instruction.align = kind.dtype.bitwidth // 8


def stream_vector(builder: ir.IRBuilder, kind: VectorType, value: ir.Value, pointer: ir.Value) -> None:
    """Store one vector past the caches; the address is a multiple of the vector's size."""
    instruction = builder.store(value, builder.bitcast(pointer, vector_ir(kind).as_pointer()))
    instruction.align = kind.lanes * kind.dtype.bitwidth // 8
    instruction.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(I32, 1)]))


def prefetch(builder: ir.IRBuilder, pointer: ir.Value, for_write: int) -> None:
    """Ask for the cache line at ``pointer``, into the second-level cache."""
    kind = ir.FunctionType(ir.VoidType(), [I8.as_pointer(), I32, I32, I32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    into_l2, data = I32(2), I32(1)
    builder.call(function, [pointer, I32(for_write), into_l2, data])


def hold(builder: ir.IRBuilder, kind: VectorType, value: ir.Value) -> ir.Value:
    """The vector ``value``, computed no later than here; what follows is loaded no earlier.

    A long row of loads and products is otherwise loaded in full before it is multiplied, and most of it spilled.
    Elsewhere than on x86, and for a vector that is wider than a register, nothing is said.
    """
    register = (
        platform.machine() in ("x86_64", "AMD64") and kind.lanes * kind.dtype.bitwidth <= 8 * _cpu.register_bytes()
    )
    if not register:
        return value
    same = ir.FunctionType(value.type, [value.type])
    return builder.asm(same, "", "=v,0,~{memory}", [value], side_effect=True)


def constant(kind: VectorType, number: float) -> ir.Constant:
    """Vector with ``number`` in every lane."""
    return ir.Constant(vector_ir(kind), [number] * kind.lanes)


def splat(builder: ir.IRBuilder, scalar: ir.Value, lanes: int) -> ir.Value:
    """Vector with ``scalar`` in every lane."""
    undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def fma(builder: ir.IRBuilder, kind: VectorType, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    """``a * b + c`` with one rounding."""
    return builder.call(_vector_function(builder, kind, "fma", 3), [a, b, c])


def unary(builder: ir.IRBuilder, kind: VectorType, name: str, a: ir.Value) -> ir.Value:
    """LLVM's one-argument vector function ``name``, such as sqrt."""
    return builder.call(_vector_function(builder, kind, name, 1), [a])


def _vector_function(builder: ir.IRBuilder, kind: VectorType, name: str, arity: int) -> ir.Function:
    vector = vector_ir(kind)
    full_name = f"llvm.{name}.v{kind.lanes}f{kind.dtype.bitwidth}"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * arity), full_name)


def first_lanes(builder: ir.IRBuilder, lanes: int, count: ir.Value) -> ir.Value:
    """Mask of the lanes below ``count``."""
    numbers = ir.Constant(ir.VectorType(I32, lanes), list(range(lanes)))
    count = as_index(builder, count)
    count = builder.select(builder.icmp_signed("<", count, index(lanes)), count, index(lanes))  # fits 32 bits
    return builder.icmp_signed("<", numbers, splat(builder, builder.trunc(count, I32), lanes))


def load_masked(builder: ir.IRBuilder, kind: VectorType, pointer: ir.Value, mask: ir.Value) -> ir.Value:
    """Load the lanes of ``mask`` and zeros elsewhere; other addresses are not touched."""
    vector = vector_ir(kind)
    where = vector.as_pointer()
    name = f"llvm.masked.load.v{kind.lanes}f{kind.dtype.bitwidth}.p0"
    signature = ir.FunctionType(vector, [where, I32, mask.type, vector])
    function = cgutils.get_or_insert_function(builder.module, signature, name)
    align = ir.Constant(I32, kind.dtype.bitwidth // 8)
    return builder.call(function, [builder.bitcast(pointer, where), align, mask, constant(kind, 0.0)])


def store_masked(builder: ir.IRBuilder, kind: VectorType, value: ir.Value, pointer: ir.Value, mask: ir.Value) -> None:
    """Store the lanes of ``mask``; other addresses are not touched."""
    where = vector_ir(kind).as_pointer()
    name = f"llvm.masked.store.v{kind.lanes}f{kind.dtype.bitwidth}.p0"
    signature = ir.FunctionType(ir.VoidType(), [value.type, where, I32, mask.type])
    function = cgutils.get_or_insert_function(builder.module, signature, name)
    align = ir.Constant(I32, kind.dtype.bitwidth // 8)
    builder.call(function, [value, builder.bitcast(pointer, where), align, mask])


def sum_of_lanes(builder: ir.IRBuilder, kind: VectorType, value: ir.Value) -> ir.Value:
    """Sum by halving: lane i takes lane i + n/2, then n/4 and so on; a fixed order."""
    count = kind.lanes
    while count > 1:
        count //= 2
        picks = [(i + count) % kind.lanes for i in range(kind.lanes)]
        moved = builder.shuffle_vector(value, value, ir.Constant(ir.VectorType(I32, kind.lanes), picks))
        value = builder.fadd(value, moved)
    return builder.extract_element(value, ir.Constant(I32, 0))


def cast_scalar(builder: ir.IRBuilder, context: Any, kind: Any, value: ir.Value, dtype: types.Type) -> ir.Value:
    """Convert a number to ``dtype``."""
    converted = context.cast(builder, value, kind, dtype)
    return converted if converted.type == scalar_ir(dtype) else builder.bitcast(converted, scalar_ir(dtype))

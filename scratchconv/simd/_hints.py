"""What a kernel tells the caches and the compiler: nothing here changes a result, only how long it takes."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from scratchconv.simd import _codegen as code
from scratchconv.simd._types import VectorType
from scratchconv.simd._vector import store

_LINE = 64  # bytes of a cache line

# ---------------------------------------------------------------- caches


def prefetch(x: Any, i: int) -> None:
    """Ask for the cache line of ``x[i]`` ahead of its use; any address is allowed."""


def prefetch_write(x: Any, i: int) -> None:
    """As :func:`prefetch`, for a line that is going to be written."""


def stream(x: Any, i: int, v: Any) -> None:
    """``x[i : i + lanes] = v`` past the caches, for results larger than they are; the address must divide a vector.

    An ordinary store first reads the line that it writes into, and puts out another one that someone may need.
    """
    store(x, i, v)


def settle() -> None:
    """Let no later store overtake the streamed ones: the last statement of a task that has called :func:`stream`."""


# ---------------------------------------------------------------- compiler


def opaque(i: int) -> int:
    """The integer ``i``, hidden from the optimiser, which may move no load or store across.

    Put round the offset of an FMA loop's operand it keeps LLVM from turning one base and a few offsets into many
    pointers, and from loading a later iteration's operands early: both run out of registers and spill the tile.
    """
    return i


def keep_apart() -> None:
    """First statement of a helper that is to stay a function of its own in machine code.

    LLVM would otherwise put small helpers, and those with one caller, into their callers, where the caller's values
    take the registers that an inner loop needs: some loops run at half speed then.

    Its stack begins on a cache line, so that a vector put there for want of registers lies in one line. Else it may
    lie across two pages, depending on where the process has its stack: then, too, a loop runs at half speed.
    """


# ---------------------------------------------------------------- compiled forms


@code.primitive(
    stream,
    lambda x, i, v: types.none if code.is_array(x) and code.are_integers(i) and v == VectorType(x.dtype) else None,
)
def _(builder: ir.IRBuilder, context: Any, sig: Any, x: ir.Value, i: ir.Value, v: ir.Value) -> None:
    code.stream_vector(builder, sig.args[2], v, code.element(builder, context, sig.args[0], x, i))


@code.primitive(settle, lambda: types.none)
def _(builder: ir.IRBuilder, context: Any, sig: Any) -> None:
    builder.fence("seq_cst")


def _array_and_index(x: Any, i: Any) -> Any:
    return types.none if isinstance(x, types.Array) and code.are_integers(i) else None


@code.primitive(prefetch, _array_and_index)
def _(builder: ir.IRBuilder, context: Any, sig: Any, x: ir.Value, i: ir.Value) -> None:
    _prefetch(builder, context, sig, x, i, for_write=0)


@code.primitive(prefetch_write, _array_and_index)
def _(builder: ir.IRBuilder, context: Any, sig: Any, x: ir.Value, i: ir.Value) -> None:
    _prefetch(builder, context, sig, x, i, for_write=1)


def _prefetch(builder: ir.IRBuilder, context: Any, sig: Any, x: ir.Value, i: ir.Value, for_write: int) -> None:
    where = builder.bitcast(code.element(builder, context, sig.args[0], x, i), code.I8.as_pointer())
    code.prefetch(builder, where, for_write)


@code.primitive(opaque, lambda i: types.int64 if code.are_integers(i) else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, i: ir.Value) -> ir.Value:
    kind = ir.FunctionType(code.I64, [code.I64])
    return builder.asm(kind, "", "=r,0,~{memory}", [code.as_index(builder, i)], side_effect=True)


@code.primitive(keep_apart, lambda: types.none)
def _(builder: ir.IRBuilder, context: Any, sig: Any) -> None:
    builder.function.attributes.add("noinline")
    builder.function.attributes.alignstack = _LINE

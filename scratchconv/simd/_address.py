"""The address of an array, and an array found by one: so one call reaches arrays whose number no one knew before."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from scratchconv.simd import _codegen as code


def address_of(x: Any) -> int:
    """Return where the memory of ``x`` begins; ``x.ctypes.data`` would count a reference, an atomic instruction."""
    address: int = x.ctypes.data
    return address


def memory_at(like: Any, address: int, size: int) -> Any:
    """Return the ``size`` elements of the dtype of array ``like`` that start at ``address``, as one axis.

    The caller keeps the memory alive; nothing is copied or checked.
    """
    buffer = (ctypes.c_byte * (int(size) * like.itemsize)).from_address(int(address))
    return np.frombuffer(buffer, like.dtype) if size else np.empty(0, like.dtype)


@code.primitive(address_of, lambda x: types.int64 if code.is_memory(x) else None)
def _(builder: ir.IRBuilder, context: Any, sig: Any, x: ir.Value) -> ir.Value:
    return builder.ptrtoint(context.make_array(sig.args[0])(context, builder, x).data, code.I64)


def _typing(like: Any, address: Any, size: Any) -> Any:
    fits = code.is_memory(like) and code.are_integers(address, size)
    return types.Array(like.dtype, 1, "C") if fits else None


@code.primitive(memory_at, _typing)
def _(builder: ir.IRBuilder, context: Any, sig: Any, like: ir.Value, address: ir.Value, size: ir.Value) -> ir.Value:
    kind = sig.return_type
    itemsize = code.index(kind.dtype.bitwidth // 8)
    size = code.as_index(builder, size)
    array = context.make_array(kind)(context, builder)
    array.data = builder.inttoptr(address, context.get_data_type(kind.dtype).as_pointer())
    array.itemsize = itemsize
    array.nitems = size
    array.shape = context.make_tuple(builder, types.UniTuple(types.intp, 1), [size])
    array.strides = context.make_tuple(builder, types.UniTuple(types.intp, 1), [itemsize])
    array.meminfo = ir.Constant(array.meminfo.type, None)
    array.parent = ir.Constant(array.parent.type, None)
    return array._getvalue()

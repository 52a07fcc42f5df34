"""Tasks: independent pieces of work, shared out over the threads of Numba's pool.

Numba's own ``prange`` compiles the loop's body three times (as a function of its own, inside a wrapper for the pool,
and inside the kernel). Here the body is an ordinary helper, and one small function around it is what the pool calls.
Source: ``numba_parallel_for`` in numba/np/ufunc/workqueue.h, which all of Numba's thread pools offer.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing import signature
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import lower_builtin

from scratchconv.simd import _codegen as code

_BYTES = code.I8.as_pointer()
_SIZES = code.I64.as_pointer()


def run_tasks(body: Any, count: int, *arguments: Any) -> None:
    """Call ``body(i, *arguments)`` for each i below ``count``, in any order and on several threads if there are many.

    ``body`` is a compiled helper that returns nothing. In plain Python the calls follow each other.
    """
    for i in range(count):
        body(i, *arguments)


@infer_global(run_tasks)
class _RunTasks(AbstractTemplate):
    """Typing rule: compiles the body for its arguments."""

    def generic(self, args: Any, kws: Any) -> Any:
        body, count, *rest = args
        if not isinstance(body, types.Dispatcher) or not isinstance(count, types.Integer):
            return None
        body.get_call_type(self.context, (types.int64, *rest), {})
        return signature(types.none, *args)


@lower_builtin(run_tasks, types.Dispatcher, types.Integer, types.VarArg(types.Any))
def _(context: Any, builder: ir.IRBuilder, sig: Any, values: Any) -> Any:
    """Pack the arguments into a struct; call the chunk function directly on one thread, else through the pool."""
    kinds, count = sig.args[2:], code.as_index(builder, values[1])
    struct = ir.LiteralStructType([code.I64, *(context.get_value_type(kind) for kind in kinds)])
    shared = cgutils.alloca_once(builder, struct)
    for i, value in enumerate((code.index(0), *values[2:])):
        builder.store(value, cgutils.gep_inbounds(builder, shared, 0, i))
    chunk = _chunk_function(context, builder, sig, struct)
    data = builder.bitcast(shared, _BYTES)
    threads = _call(builder, "get_num_threads", code.I64, [])
    alone = builder.or_(
        builder.icmp_signed("<=", threads, code.index(1)), builder.icmp_signed("<=", count, code.index(1))
    )
    # The pool passes "start + step * first" of the one array it is told of, and the length of the chunk.
    start, length, step = (cgutils.alloca_once(builder, kind) for kind in (_BYTES, code.I64, code.I64))
    for value, slot in ((ir.Constant(_BYTES, None), start), (count, length), (code.index(1), step)):
        builder.store(value, slot)
    with builder.if_else(alone) as (directly, pooled):
        with directly:
            builder.call(chunk, [start, length, step, data])
        with pooled:
            addresses = [builder.bitcast(value, _BYTES) for value in (chunk, start, length, step)]
            numbers = [code.index(0), code.index(1), threads]
            _call(builder, "numba_parallel_for", ir.VoidType(), [*addresses, data, *numbers])
    failed = builder.load(cgutils.gep_inbounds(builder, shared, 0, 0))
    with cgutils.if_unlikely(builder, builder.icmp_signed("!=", failed, code.index(0))):
        context.call_conv.return_user_exc(builder, RuntimeError, ("a task of a kernel failed",))
    return context.get_dummy_value()


def _chunk_function(context: Any, builder: ir.IRBuilder, sig: Any, struct: ir.Type) -> ir.Function:
    """What the pool calls: run the body for ``*length`` numbers from ``*start`` on."""
    kinds = sig.args[2:]
    compiled = sig.args[0].dispatcher.get_compile_result(signature(types.none, types.int64, *kinds))
    context.add_linking_libs([compiled.library])
    kind = ir.FunctionType(ir.VoidType(), [_BYTES.as_pointer(), _SIZES, _SIZES, _BYTES])
    function = ir.Function(
        builder.module, kind, builder.module.get_unique_name(f"{compiled.fndesc.mangled_name}.chunk")
    )
    function.linkage = "internal"
    inside = ir.IRBuilder(function.append_basic_block("entry"))
    start, length, _, data = function.args
    shared = inside.bitcast(data, struct.as_pointer())
    values = [inside.load(cgutils.gep_inbounds(inside, shared, 0, i + 1)) for i in range(len(kinds))]
    first = inside.ptrtoint(inside.load(start), code.I64)
    with cgutils.for_range(inside, inside.load(length)) as loop:
        numbers = [inside.add(first, loop.index), *values]
        body_sig = compiled.signature
        status, _ = context.call_internal_no_propagate(inside, compiled.fndesc, body_sig, numbers)
        with cgutils.if_unlikely(inside, status.is_error):
            inside.store(code.index(1), cgutils.gep_inbounds(inside, shared, 0, 0))
    inside.ret_void()
    return function


def _call(builder: ir.IRBuilder, name: str, result: ir.Type, values: list[ir.Value]) -> ir.Value:
    """Call a function of the thread pool; Numba makes it known when the pool starts."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)

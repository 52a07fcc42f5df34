"""Running the elementwise kernels: any shapes that broadcast, any memory orders."""

from __future__ import annotations

from scratchconv.kernels.elementwise import vector
from scratchconv.ops._broadcast import plan
from scratchconv.ops._memory import empty_like
from scratchconv.ops._op import Array, is_floating


def unary(number: int, name: str, x: Array) -> Array:
    """Return f(x) in the memory order of ``x``; ``number`` is a code of ``kernels/elementwise/naive.py``.

    Raises
    ------
    RuntimeError
        If ``x`` is neither float32 nor float64.
    """
    if not is_floating(x):
        raise RuntimeError(f"{name} needs float32 or float64, got {x.dtype} of shape {x.shape}")
    out = empty_like(x)
    source = x
    if x.strides != out.strides:  # holes, or a negative stride
        out[...] = x
        source = out
    if x.size:
        vector.unary(number, source.ravel(order="K"), out.ravel(order="K"))
    return out


def binary(number: int, name: str, x: Array, y: Array) -> Array:
    """Return f(x, y) in the memory order of the larger operand; ``number`` is a code of the kernel.

    Raises
    ------
    RuntimeError
        If the shapes do not broadcast, or the dtypes differ.
    """
    walk = plan(x, y, name)
    out = walk.result(x.dtype)
    if out.size:
        a, b = walk.operands
        memory = out.ravel(order="K")
        vector.binary(number, walk.memory(0, x), walk.memory(1, y), walk.extents, a.strides, b.strides, memory)
    return out

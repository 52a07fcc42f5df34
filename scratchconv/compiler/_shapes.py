"""Shape and dtype of an operation's result, without computing it where the operation is a common one."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchconv.compiler._graph import Value
from scratchconv.ops import batch_norm, conv2d, max_pool2d
from scratchconv.ops._op import Op
from scratchconv.ops.elementwise import ADD, RELU
from scratchconv.ops.inplace import ADD_IN_PLACE
from scratchconv.ops.shape import RESHAPE

Result = tuple[tuple[int, ...], np.dtype[Any]]


def result_of(op: Op, inputs: list[Any], params: dict[str, Any]) -> Result:
    """Return shape and dtype of ``op.forward(*inputs, **params)[0]``.

    Raises what the operation itself raises for arguments that do not fit.
    """
    first = inputs[0]
    if op is RESHAPE and isinstance(first, Value):
        return RESHAPE.resolve(hollow_of(first), params["shape"]), first.dtype
    if op is conv2d:
        _, size = conv2d.check(*map(hollow_of, inputs), **params)
        leading = first.shape[:-3]
        return (*leading, inputs[1].shape[0], *size), first.dtype
    if op is batch_norm:
        batch_norm.check(*map(hollow_of, inputs), **params)
        return first.shape, first.dtype
    if op is max_pool2d:
        return max_pool2d.output_shape(hollow_of(first), **params), first.dtype
    if is_relu(op) and first.dtype.kind == "f":
        return first.shape, first.dtype
    if op in (ADD, ADD_IN_PLACE) and all(isinstance(x, Value) for x in inputs) and inputs[0].shape == inputs[1].shape:
        return first.shape, np.result_type(first.dtype, inputs[1].dtype)
    y, _ = op.forward(*[np.zeros(x.shape, x.dtype) if isinstance(x, Value) else x for x in inputs], **params)
    return y.shape, y.dtype


def is_relu(op: Op) -> bool:
    """Whether ``op`` is the ReLU, in place or not."""
    return op is RELU or getattr(op, "op", None) is RELU


def hollow_of(x: Any) -> Any:
    """Return an array with the shape and dtype of a value; other arguments as they are."""
    if not isinstance(x, Value):
        return x
    return np.ndarray(x.shape, x.dtype, bytes(x.dtype.itemsize), 0, (0,) * len(x.shape))

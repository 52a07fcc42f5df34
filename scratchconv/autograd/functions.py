"""Functions on tensors under PyTorch's names, beside the methods of ``Tensor``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scratchconv.autograd._converting import common
from scratchconv.autograd._reducing import Dims
from scratchconv.autograd.tensor import Tensor, apply
from scratchconv.ops import where as _where
from scratchconv.ops.join import CAT, STACK


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors end to end along axis ``dim``, in their common dtype.

    Raises
    ------
    RuntimeError
        If the shapes differ in another axis.
    IndexError
        If there is no such axis.
    ValueError
        If there are no tensors.
    """
    if len(tensors) == 0:
        raise ValueError("cat needs at least one tensor")
    return apply(CAT, *_of_one_dtype(tensors), dim=dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Put tensors of one shape side by side along a new axis ``dim``.

    Raises
    ------
    RuntimeError
        If the shapes differ, or there are no tensors.
    IndexError
        If the new axis is out of range.
    """
    if len(tensors) == 0:
        raise RuntimeError("stack needs at least one tensor")
    return apply(STACK, *_of_one_dtype(tensors), dim=dim)


def _of_one_dtype(tensors: Sequence[Tensor]) -> list[Any]:
    """Return the tensors in their common dtype."""
    for each in tensors:
        if not isinstance(each, Tensor):
            raise TypeError(f"expected a sequence of tensors, found {type(each).__name__}")
    return common(*tensors) or []


def where(condition: Tensor, x: Tensor | float, y: Tensor | float) -> Tensor:
    """Return elements of ``x`` where ``condition`` is true, else of ``y``; all three broadcast."""
    pair = common(x, y)
    if pair is None:
        raise TypeError(f"where chooses between tensors or numbers, got {type(x).__name__} and {type(y).__name__}")
    return apply(_where, condition, *pair)


def max(x: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """Return the largest element, the largest ones along axis ``dim``, or of two tensors the larger everywhere."""
    if isinstance(dim, Tensor):
        return x.maximum(dim)
    return x.max(dim, keepdim)


def maximum(x: Tensor, y: Tensor) -> Tensor:
    """Return the larger of two elements everywhere; where equal, each gets half of the gradient."""
    return x.maximum(y)


def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return where the largest element is (the first if several), in the flat tensor or along axis ``dim``."""
    return x.argmax(dim, keepdim)


def sum(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the sum over all elements or over the axes ``dim``."""
    return x.sum(dim, keepdim)


def mean(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the mean over all elements or over the axes ``dim``."""
    return x.mean(dim, keepdim)


def matmul(x: Tensor, y: Tensor) -> Tensor:
    """Return the matrix product."""
    return x @ y


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the axes from ``start_dim`` to ``end_dim`` into one."""
    return x.flatten(start_dim, end_dim)


def abs(x: Tensor) -> Tensor:
    """Return the elements without their sign."""
    return x.abs()


def exp(x: Tensor) -> Tensor:
    """Return ``e ** x``."""
    return x.exp()


def log(x: Tensor) -> Tensor:
    """Return the natural logarithm."""
    return x.log()


def sqrt(x: Tensor) -> Tensor:
    """Return the square root."""
    return x.sqrt()


def relu(x: Tensor) -> Tensor:
    """Return ``max(x, 0)``."""
    return x.relu()

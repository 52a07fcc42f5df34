"""Functions on tensors under PyTorch's names, beside the methods of ``Tensor``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scratchconv.autograd._converting import common
from scratchconv.autograd.tensor import Tensor, apply
from scratchconv.ops.join import CAT, STACK


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Join tensors end to end along axis ``dim``; dtypes are promoted to a common one.

    Raises
    ------
    RuntimeError
        If the shapes differ in another axis.
    IndexError
        If there is no such axis.
    ValueError
        If there are no tensors.
    """
    return apply(CAT, *_of_one_dtype(tensors), dim=dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Put tensors of one shape side by side along a new axis ``dim``."""
    return apply(STACK, *_of_one_dtype(tensors), dim=dim)


def _of_one_dtype(tensors: Sequence[Tensor]) -> list[Any]:
    """Return the tensors in their common dtype."""
    for each in tensors:
        if not isinstance(each, Tensor):
            raise TypeError(f"expected a sequence of tensors, found {type(each).__name__}")
    if not tensors:
        raise ValueError("expected at least one tensor")
    return common(*tensors) or []

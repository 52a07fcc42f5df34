"""Parameters, and how the contents of a tensor are replaced."""

from __future__ import annotations

from typing import Any

from scratchconv.autograd import Tensor, no_grad


class Parameter(Tensor):
    """A tensor that a Module registers when it is assigned as an attribute, and that requires a gradient by default.

    ``Parameter(data)`` shares the memory of ``data``, a Tensor or an array.
    """

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data.data if isinstance(data, Tensor) else data, requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


def overwrite(tensor: Tensor, values: Any) -> None:
    """Copy ``values`` into the memory of ``tensor``, which keeps its layout: an unrecorded in-place change."""
    with no_grad():
        tensor.copy_(values)

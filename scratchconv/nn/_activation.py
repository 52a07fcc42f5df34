"""Activation layers."""

from __future__ import annotations

from scratchconv.autograd import Tensor
from scratchconv.nn import functional
from scratchconv.nn._module import Module


class ReLU(Module):
    """y = max(x, 0), elementwise; ``inplace=True`` writes y over the memory of x."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """Return y."""
        return functional.relu(x, self.inplace)

    def extra_repr(self) -> str:
        """Return ``inplace`` if it is set."""
        return "inplace=True" if self.inplace else ""

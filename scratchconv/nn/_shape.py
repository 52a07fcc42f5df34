"""Layers that change a tensor's shape, or nothing."""

from __future__ import annotations

from typing import Any

from scratchconv.autograd import Tensor
from scratchconv.nn import functional
from scratchconv.nn._module import Module


class Flatten(Module):
    """Merge the axes from ``start_dim`` to ``end_dim`` into one, in logical (N, C, H, W) order."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Tensor) -> Tensor:
        """Return the flattened tensor."""
        return functional.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Return the range of axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Identity(Module):
    """Return the input; takes and ignores any construction arguments, to stand in for another layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        """Return x."""
        return x

"""Tensor methods that rearrange: view, reshape, permute, squeeze, expand and their relatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scratchconv.autograd._core import TensorCore
from scratchconv.ops.shape import EXPAND, PERMUTE, RESHAPE

if TYPE_CHECKING:
    from scratchconv.autograd.tensor import Tensor


def sizes(given: Sequence[int | Sequence[int]]) -> tuple[int, ...]:
    """Accept both ``f(2, 3)`` and ``f((2, 3))``."""
    first = given[0] if len(given) == 1 else None
    return tuple(first if isinstance(first, Sequence) else given)  # type: ignore[arg-type]


def axis_of(ndim: int, dim: int) -> int:
    """Resolve a negative axis.

    Raises
    ------
    IndexError
        If there is no such axis.
    """
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        raise IndexError(f"dimension {dim} is out of range for a tensor with {ndim} dimensions")
    return dim % max(ndim, 1)


class Shaping(TensorCore):
    """Rearranging methods; each returns a view where memory allows, and gradients flow through all of them."""

    __slots__ = ()

    def view(self, *shape: int | Sequence[int]) -> Tensor:
        """Elements in logical order under a new shape; copies where channels-last memory allows no view."""
        return self._apply_view(RESHAPE, self, shape=sizes(shape))

    reshape = view

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """Merge the axes from ``start_dim`` to ``end_dim`` into one."""
        shape = self.data.shape
        first, last = axis_of(len(shape), start_dim), axis_of(len(shape), end_dim)
        if first > last:
            raise RuntimeError(f"flatten needs start_dim <= end_dim, got {start_dim} and {end_dim} for shape {shape}")
        merged = math.prod(shape[first : last + 1])
        return self._apply_view(RESHAPE, self, shape=(*shape[:first], merged, *shape[last + 1 :]))

    def permute(self, *dims: int | Sequence[int]) -> Tensor:
        """Put the axes into another order."""
        return self._apply_view(PERMUTE, self, order=sizes(dims))

    def transpose(self, dim0: int, dim1: int) -> Tensor:
        """Swap two axes."""
        order = list(range(self.data.ndim))
        a, b = axis_of(len(order), dim0), axis_of(len(order), dim1)
        if order:
            order[a], order[b] = order[b], order[a]
        return self._apply_view(PERMUTE, self, order=order)

    def t(self) -> Tensor:
        """Transpose of a tensor with at most two axes."""
        if self.data.ndim > 2:
            raise RuntimeError(f"t() expects at most 2 dimensions, got shape {self.data.shape}")
        return self._apply_view(PERMUTE, self, order=range(self.data.ndim)[::-1])

    @property
    def T(self) -> Tensor:
        """All axes in reverse order."""
        return self._apply_view(PERMUTE, self, order=range(self.data.ndim)[::-1])

    def squeeze(self, dim: int | None = None) -> Tensor:
        """Drop axis ``dim`` if its size is 1, or all axes of size 1."""
        shape = self.data.shape
        drop = range(len(shape)) if dim is None else [axis_of(len(shape), dim)]
        return self._apply_view(RESHAPE, self, shape=[n for i, n in enumerate(shape) if n != 1 or i not in drop])

    def unsqueeze(self, dim: int) -> Tensor:
        """Insert an axis of size 1 before axis ``dim``."""
        shape = list(self.data.shape)
        shape.insert(axis_of(len(shape) + 1, dim), 1)
        return self._apply_view(RESHAPE, self, shape=shape)

    def expand(self, *shape: int | Sequence[int]) -> Tensor:
        """Repeat axes of size 1, and add leading axes, without copying; -1 keeps a size."""
        return self._apply_view(EXPAND, self, shape=sizes(shape))

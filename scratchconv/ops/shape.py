"""Operations that give the same elements another shape: reshape, permute, expand.

All return views where memory allows; the backward pass of each is the inverse rearrangement of the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scratchconv.ops._broadcast import repeat
from scratchconv.ops._op import Array
from scratchconv.ops.reduction import sum_to


class Reshaped(NamedTuple):
    """The input's shape."""

    shape: tuple[int, ...]


class Reshape:
    """The elements in logical (row-major) order under a new shape; one size may be -1 and is then computed.

    Channels-last memory cannot be seen flat in (C, H, W) order: such an input is copied.
    """

    name = "view"

    def forward(self, x: Array, *, shape: Sequence[int]) -> tuple[Array, Reshaped]:
        """Raise RuntimeError if the number of elements does not fit."""
        return x.reshape(self.resolve(x, shape)), Reshaped(x.shape)

    def backward(self, saved: Reshaped, dy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        """Give the gradient the input's shape."""
        return (dy.reshape(saved.shape),)

    @staticmethod
    def resolve(x: Array, shape: Sequence[int]) -> tuple[int, ...]:
        """Replace a -1 by the size it stands for."""
        known = math.prod(size for size in shape if size != -1)
        unknown = list(shape).count(-1)
        fits = known == x.size if unknown == 0 else unknown == 1 and known > 0 and x.size % known == 0
        if not fits or any(size < -1 for size in shape):
            raise RuntimeError(
                f"shape {tuple(shape)} does not fit the {x.size} elements of a tensor of shape {x.shape}"
            )
        return tuple(x.size // known if size == -1 else size for size in shape)


class Permuted(NamedTuple):
    """The order that undoes the permutation."""

    inverse: tuple[int, ...]


class Permute:
    """Axes in another order: ``y.shape[i] = x.shape[order[i]]``; always a view."""

    name = "permute"

    def forward(self, x: Array, *, order: Sequence[int]) -> tuple[Array, Permuted]:
        """Rearrange.

        Raises
        ------
        IndexError
            If there is no such axis.
        RuntimeError
            Unless every axis is named once.
        """
        if not all(-x.ndim <= axis < x.ndim for axis in order) and len(order) == x.ndim:
            raise IndexError(f"permute {tuple(order)}: shape {x.shape} has axes -{x.ndim} to {x.ndim - 1} only")
        axes = [axis % x.ndim for axis in order] if x.ndim else list(order)
        if sorted(axes) != list(range(x.ndim)):
            raise RuntimeError(f"permute needs every axis of shape {x.shape} once, got {tuple(order)}")
        return x.transpose(axes), Permuted(tuple(int(axis) for axis in np.argsort(axes)))

    def backward(self, saved: Permuted, dy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        """Put the gradient's axes back."""
        return (dy.transpose(saved.inverse),)


class Expand:
    """Axes of size 1, and new leading axes, repeated without copying; -1 keeps a size."""

    name = "expand"

    def forward(self, x: Array, *, shape: Sequence[int]) -> tuple[Array, Reshaped]:
        """Raise RuntimeError where an axis of another size than 1 would have to change."""
        new = len(shape) - x.ndim
        sizes = [x.shape[i - new] if size == -1 and i >= new else size for i, size in enumerate(shape)]
        fits = new >= 0 and all(have in (1, want) for have, want in zip(x.shape, sizes[max(new, 0) :], strict=False))
        if not fits or any(size < 0 for size in sizes):
            raise RuntimeError(f"a tensor of shape {x.shape} cannot be expanded to {tuple(shape)}")
        return repeat(x, sizes), Reshaped(x.shape)

    def backward(self, saved: Reshaped, dy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        """Sum the gradient over the repeated axes."""
        return (sum_to(dy, saved.shape),)


RESHAPE = Reshape()
PERMUTE = Permute()
EXPAND = Expand()

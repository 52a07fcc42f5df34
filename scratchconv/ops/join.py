"""Joining arrays: along an axis they have, or along a new one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scratchconv.ops._op import Array


class Joined(NamedTuple):
    """The axis, and where each input ends along it."""

    axis: int
    ends: list[int]


class Cat:
    """Arrays end to end along an existing axis."""

    name = "cat"

    def forward(self, *arrays: Array, dim: int = 0) -> tuple[Array, Joined]:
        """Join.

        Raises
        ------
        IndexError
            If there is no axis ``dim``.
        RuntimeError
            If the shapes differ in another axis, or an array has no axes.
        """
        first = arrays[0]
        axis = _axis(dim, first.ndim)
        rest = {x.shape[:axis] + x.shape[axis + 1 :] for x in arrays}
        if len(rest) > 1 or len({x.ndim for x in arrays}) > 1:
            raise RuntimeError(f"cat needs shapes that agree except along axis {dim}, got {[x.shape for x in arrays]}")
        ends = np.cumsum([x.shape[axis] for x in arrays]).tolist()
        return np.concatenate(arrays, axis=axis), Joined(axis, ends)

    def backward(self, saved: Joined, dy: Array, needs: tuple[bool, ...]) -> list[Array | None]:
        """Cut the gradient where the arrays were joined."""
        parts = np.split(dy, saved.ends[:-1], axis=saved.axis)
        return [part if needed else None for part, needed in zip(parts, needs, strict=True)]


class Stack:
    """Arrays of one shape side by side along a new axis."""

    name = "stack"

    def forward(self, *arrays: Array, dim: int = 0) -> tuple[Array, int]:
        """Join.

        Raises
        ------
        IndexError
            If the new axis ``dim`` is out of range.
        RuntimeError
            If the shapes differ.
        """
        axis = _axis(dim, arrays[0].ndim + 1)
        if len({x.shape for x in arrays}) > 1:
            raise RuntimeError(f"stack needs equal shapes, got {[x.shape for x in arrays]}")
        return np.stack(arrays, axis=axis), axis

    def backward(self, saved: int, dy: Array, needs: tuple[bool, ...]) -> list[Array | None]:
        """Take the gradient apart along the new axis."""
        parts = np.moveaxis(dy, saved, 0)
        return [part if needed else None for part, needed in zip(parts, needs, strict=True)]


def _axis(dim: int, ndim: int) -> int:
    """Resolve a negative axis."""
    if ndim == 0:
        raise RuntimeError("a tensor with 0 dimensions cannot be joined along an axis")
    if not -ndim <= dim < ndim:
        raise IndexError(f"dimension {dim} is out of range: this needs -{ndim} <= dim < {ndim}")
    return dim % ndim


CAT = Cat()
STACK = Stack()

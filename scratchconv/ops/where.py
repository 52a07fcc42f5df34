"""Elements of one array or another, as a third one decides."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scratchconv.ops._broadcast import common_shape
from scratchconv.ops._op import Array
from scratchconv.ops.reduction import sum_to

name = "where"


class Saved(NamedTuple):
    """The condition and the shapes of both choices."""

    condition: Array
    x: tuple[int, ...]
    y: tuple[int, ...]


def forward(condition: Array, x: Array, y: Array) -> tuple[Array, Saved]:
    """Return x where ``condition`` is true, else y; all three broadcast.

    Raises
    ------
    RuntimeError
        If the condition is not bool, or the shapes do not broadcast.
    """
    if condition.dtype != np.bool_:
        raise RuntimeError(f"where needs a bool condition, got {condition.dtype} of shape {condition.shape}")
    common_shape(name, condition.shape, x.shape, y.shape)
    return np.where(condition, x, y), Saved(condition, x.shape, y.shape)


def backward(saved: Saved, dy: Array, needs: tuple[bool, ...]) -> tuple[None, Array | None, Array | None]:
    """Pass the gradient to the choice that was taken."""
    zero = np.zeros((), dy.dtype)
    dx = sum_to(np.where(saved.condition, dy, zero), saved.x) if needs[1] else None
    other = sum_to(np.where(saved.condition, zero, dy), saved.y) if needs[2] else None
    return None, dx, other

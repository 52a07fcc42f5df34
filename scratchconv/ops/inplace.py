"""Elementwise operations that overwrite their first operand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from scratchconv.kernels.elementwise import naive as code
from scratchconv.kernels.elementwise import vector
from scratchconv.ops._broadcast import plan
from scratchconv.ops._memory import empty_like
from scratchconv.ops._op import Array, Op, is_floating, needed, saved_arrays
from scratchconv.ops.reduction import sum_to


def check_shape(name: str, x: Array, other: Array) -> None:
    """Raise RuntimeError unless ``other`` broadcasts to the shape of ``x``."""
    try:
        fits = np.broadcast_shapes(x.shape, other.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(f"in-place {name}: an operand of shape {other.shape} does not broadcast to {x.shape}")


class Summand(NamedTuple):
    """The shape of the other operand."""

    shape: tuple[int, ...]


class AddInPlace:
    """``x += sign * other``; nothing needs to be kept but a shape."""

    def __init__(self, name: str, sign: int, number: int, ufunc: np.ufunc) -> None:
        self.name = name
        self.sign = sign
        self.number = number  # the kernel's code, for floating arrays that fill their memory
        self.ufunc = ufunc  # for all others

    def forward(self, x: Array, other: Array) -> tuple[Array, Summand]:
        """Change and return ``x``."""
        check_shape(self.name, x, other)
        walk = plan(x, other, self.name)
        overlap = other is not x and np.may_share_memory(x, other)
        if overlap or not is_floating(x) or not x.size or walk.operands[0].copied:
            self.ufunc(x, other, out=x)
        else:
            memory = walk.memory(0, x)
            a, b = walk.operands
            vector.binary(self.number, memory, walk.memory(1, other), walk.extents, a.strides, b.strides, memory)
        return x, Summand(other.shape)

    def backward(self, saved: Summand, dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, Array | None]:
        """Pass the gradient to both, summed where the other was repeated."""
        dother = sum_to(dy, saved.shape) if needs[1] else None
        if dother is not None and self.sign < 0:
            dother = np.negative(dother)
        return dy if needs[0] else None, dother


class InPlace:
    """Any elementwise ``op`` whose result overwrites its first operand."""

    def __init__(self, op: Op, name: str) -> None:
        self.op = op
        self.name = name

    def forward(self, x: Array, *others: Array) -> tuple[Array, Any]:
        """Change and return ``x``; where ``op`` keeps its operand for the backward pass, keep a copy."""
        for other in others:
            check_shape(self.name, x, other)
        y, saved = self.op.forward(x, *others)
        if any(np.may_share_memory(array, x) for array in saved_arrays(saved)):
            before = empty_like(x)
            before[...] = x
            y, saved = self.op.forward(before, *others)
        x[...] = y
        return x, saved

    def backward(self, saved: Any, dy: Array, needs: tuple[bool, ...]) -> Sequence[Array | None]:
        """Return what ``op`` returns."""
        gradients: Sequence[Array | None] = self.op.backward(saved, dy, needs)
        return gradients

    def keep(self, saved: Any, needs: tuple[bool, ...]) -> Any:
        """Keep what ``op`` keeps."""
        return needed(self.op, saved, needs)


ADD_IN_PLACE = AddInPlace("add", 1, code.ADD, np.add)
SUB_IN_PLACE = AddInPlace("sub", -1, code.SUB, np.subtract)

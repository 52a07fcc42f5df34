"""How arrays of different shapes and memory orders are walked through together, planned once for each geometry.

An axis along which an array is repeated has stride 0. The result lies in the memory order of the largest operand;
neighbouring axes that every operand walks through evenly become one, so arrays of equal layout become flat memory.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from scratchconv.ops._memory import empty
from scratchconv.ops._op import Array

Ints = tuple[int, ...]


class Operand(NamedTuple):
    """How one operand is read: ``strides`` go with the plan's shape; ``copied`` if its memory cannot be read as it is.

    ``single`` is None, or the index that leaves one of each of its elements if some are repeated by stride 0.
    """

    strides: Array
    copied: bool
    single: tuple[slice, ...] | None


class Plan(NamedTuple):
    """The walk: ``order`` lists the result's axes, slowest first; ``extents`` is the joined shape the kernel sees."""

    shape: Ints
    order: Ints
    extents: Array
    operands: tuple[Operand, ...]

    def result(self, dtype: np.dtype[np.generic]) -> Array:
        """Return an uninitialised array for the result."""
        if self.order == tuple(range(len(self.shape))):
            return empty(self.shape, dtype)
        inverse = sorted(range(len(self.order)), key=self.order.__getitem__)
        return empty([self.shape[axis] for axis in self.order], dtype).transpose(inverse)

    def memory(self, i: int, x: Array) -> Array:
        """Return the memory of operand ``i`` as one axis, as ``operands[i].strides`` walk through it."""
        _, copied, single = self.operands[i]
        if single is not None:
            x = x[single]
        if copied:
            padded = x.reshape((1,) * (len(self.order) - x.ndim) + x.shape)
            x = np.ascontiguousarray(padded.transpose(self.order))
        return x.ravel(order="K")


def repeat(x: Array, shape: Sequence[int]) -> Array:
    """Return ``x`` repeated to ``shape`` by strides of 0, like ``np.broadcast_to``.

    That marks its result read-only, which to Numba is another type, for which every kernel would be compiled again.
    """
    return as_strided(x, shape, np.broadcast_to(x, shape).strides)


def plan(x: Array, y: Array, name: str) -> Plan:
    """Return the plan for two arrays of one dtype.

    Raises
    ------
    RuntimeError
        If their shapes do not broadcast.
    """
    if x.dtype != y.dtype:
        raise RuntimeError(f"{name} needs one dtype, got {x.dtype} and {y.dtype} (shapes {x.shape} and {y.shape})")
    return _plan(name, x.itemsize, (x.shape, y.shape), (x.strides, y.strides))


def common_shape(name: str, *shapes: Ints) -> Ints:
    """Return the shape that all ``shapes`` broadcast to, or raise RuntimeError."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(str(shape) for shape in shapes)
        raise RuntimeError(
            f"{name}: shapes {listed} do not broadcast: counted from the last, two axes must be equal or one of them 1"
        ) from None


@functools.lru_cache(maxsize=4096)
def _plan(name: str, itemsize: int, shapes: tuple[Ints, ...], byte_strides: tuple[Ints, ...]) -> Plan:
    shape = common_shape(name, *shapes)
    strides = [_aligned(own, steps, itemsize, shape) for own, steps in zip(shapes, byte_strides, strict=True)]
    order = _memory_order(shape, strides, shapes)
    extents = [shape[axis] for axis in order]
    walks = [[walk[axis] for axis in order] for walk in strides]
    copied = [not _is_dense(extents, walk) for walk in walks]
    for _ in range(len(walks) + 1):  # each round either ends or marks one more operand as copied
        for i, walk in enumerate(walks):
            if copied[i]:
                walks[i] = _packed(extents, walk)
        joined, steps = _joined(extents, walks)
        uneven = [i for i, walk in enumerate(steps) if walk[-1] not in (0, 1)]
        if not uneven:
            break
        copied[uneven[0]] = True
    operands = tuple(
        Operand(np.array(walk, np.int64), copy, _single(own, stride))
        for walk, copy, own, stride in zip(steps, copied, shapes, byte_strides, strict=True)
    )
    return Plan(shape, order, np.array(joined, np.int64), operands)


def _aligned(own: Ints, byte_strides: Ints, itemsize: int, shape: Ints) -> list[int]:
    """Strides in elements along the axes of ``shape``; 0 where the operand is repeated or has one element."""
    new = len(shape) - len(own)
    steps = [0 if size == 1 else stride // itemsize for size, stride in zip(own, byte_strides, strict=True)]
    return [0] * new + steps


def _memory_order(shape: Ints, strides: Sequence[Sequence[int]], shapes: tuple[Ints, ...]) -> Ints:
    """Axes from slowest to fastest in the operand with most elements; row-major if it is repeated along some."""
    lead = max(range(len(shapes)), key=lambda i: math.prod(shapes[i]))
    long = [axis for axis, size in enumerate(shape) if size > 1]
    if any(strides[lead][axis] == 0 for axis in long):
        return tuple(range(len(shape)))
    short = [axis for axis, size in enumerate(shape) if size <= 1]
    return tuple(short + sorted(long, key=lambda axis: -abs(strides[lead][axis])))


def _is_dense(extents: Sequence[int], walk: Sequence[int]) -> bool:
    """Whether the elements fill their memory without holes, in ascending addresses."""
    expected = 1
    for step, size in sorted((step, size) for step, size in zip(walk, extents, strict=True) if step != 0):
        if step != expected:
            return False
        expected *= size
    return True


def _packed(extents: Sequence[int], walk: Sequence[int]) -> list[int]:
    """Strides of a row-major copy of what ``walk`` reads."""
    packed, expected = [0] * len(walk), 1
    for axis in reversed(range(len(walk))):
        if walk[axis] != 0:
            packed[axis] = expected
            expected *= extents[axis]
    return packed


def _joined(extents: Sequence[int], walks: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Join each axis with the next where all strides allow it; drop axes of one element."""
    sizes: list[int] = []
    steps: list[list[int]] = [[] for _ in walks]
    for axis, size in enumerate(extents):
        if size == 1:
            continue
        if sizes and all(own[-1] == walk[axis] * size for own, walk in zip(steps, walks, strict=True)):
            sizes[-1] *= size
            for own, walk in zip(steps, walks, strict=True):
                own[-1] = walk[axis]
        else:
            sizes.append(size)
            for own, walk in zip(steps, walks, strict=True):
                own.append(walk[axis])
    if not sizes:
        return [1], [[0] for _ in walks]
    return sizes, steps


def _single(own: Ints, byte_strides: Ints) -> tuple[slice, ...] | None:
    repeated = [size > 1 and stride == 0 for size, stride in zip(own, byte_strides, strict=True)]
    return tuple(slice(0, 1) if again else slice(None) for again in repeated) if any(repeated) else None

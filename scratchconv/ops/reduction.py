"""Reductions over some or all axes: the derivatives are in kernels/reduction/README.md.

``dim`` is an axis, several, or None for all; ``keepdim`` leaves the reduced axes with size 1. A wrong ``dim`` raises
IndexError, one that is named twice RuntimeError.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scratchconv.kernels.elementwise import naive as code
from scratchconv.kernels.reduction import blocked
from scratchconv.ops._axes import Dims, Reduction, reduction
from scratchconv.ops._broadcast import repeat
from scratchconv.ops._op import Array, is_floating
from scratchconv.ops._pointwise import binary

__all__ = ["MAX", "MEAN", "SUM", "VAR", "argmax", "sum_to"]

Needs = tuple[bool, ...]


def total(x: Array, walk: Reduction, divisor: float = 1.0) -> Array:
    """Return the sums divided by ``divisor``, (outer, inner)."""
    results = walk.results(x.dtype)
    if results.size:
        blocked.total(walk.operand(x), divisor, results)
    return results


def sum_to(dy: Array, shape: tuple[int, ...]) -> Array:
    """Undo broadcasting: sum ``dy`` over the axes along which an array of ``shape`` was repeated."""
    if dy.shape == shape:
        return dy
    new = dy.ndim - len(shape)
    repeated = [axis for axis in range(dy.ndim) if axis < new or shape[axis - new] == 1 != dy.shape[axis]]
    return SUM.forward(dy, dim=repeated)[0].reshape(shape)


def _require_floating(x: Array, name: str) -> None:
    if not is_floating(x):
        raise RuntimeError(f"{name} needs float32 or float64, got {x.dtype} of shape {x.shape}")


class _Sum:
    """``sum``: of integers and bools as int64."""

    name = "sum"

    def forward(self, x: Array, *, dim: Dims = None, keepdim: bool = False) -> tuple[Array, Reduction]:
        walk = reduction(x, dim)
        if is_floating(x):
            return walk.shaped(total(x, walk), keepdim), walk
        return np.asarray(x.sum(axis=walk.dims, keepdims=keepdim, dtype=np.int64)), walk

    def backward(self, saved: Reduction, dy: Array, needs: Needs) -> tuple[Array | None]:
        return (repeat(saved.expand(dy), saved.shape) if needs[0] else None,)


class _Mean:
    """``sum / number``; NaN if there is nothing to average."""

    name = "mean"

    def forward(self, x: Array, *, dim: Dims = None, keepdim: bool = False) -> tuple[Array, Reduction]:
        _require_floating(x, self.name)
        walk = reduction(x, dim)
        return walk.shaped(total(x, walk, walk.reduced or np.nan), keepdim), walk

    def backward(self, saved: Reduction, dy: Array, needs: Needs) -> tuple[Array | None]:
        if not needs[0]:
            return (None,)
        each = binary(code.DIV, self.name, dy, np.asarray(max(saved.reduced, 1), dy.dtype))
        return (repeat(saved.expand(each), saved.shape),)


class Deviations(NamedTuple):
    """The operand, its mean with reduced axes of size 1, and the divisor of the sum of squares."""

    x: Array
    mean: Array
    divisor: float


class _Variance:
    """Squared deviations from the mean, summed and divided by their number − ``correction``."""

    name = "var"

    def forward(
        self, x: Array, *, dim: Dims = None, correction: float = 1, keepdim: bool = False
    ) -> tuple[Array, Deviations]:
        _require_floating(x, self.name)
        walk = reduction(x, dim)
        operand = walk.operand(x)
        mean, results = walk.results(x.dtype), walk.results(x.dtype)
        blocked.total(operand, walk.reduced or np.nan, mean)
        blocked.variance(operand, mean, correction, results)
        divisor = max(0.0, walk.reduced - correction)
        return walk.shaped(results, keepdim), Deviations(x, walk.shaped(mean, True), divisor)

    def backward(self, saved: Deviations, dy: Array, needs: Needs) -> tuple[Array | None]:
        if not needs[0]:
            return (None,)
        x, mean, divisor = saved
        factor = np.asarray(2 / divisor if divisor else np.nan, x.dtype)
        slope = binary(code.MUL, self.name, dy.reshape(mean.shape), factor)
        return (binary(code.MUL, self.name, binary(code.SUB, self.name, x, mean), slope),)


class Places(NamedTuple):
    """Where the maxima were found: ``indices`` along ``dim``, or for the maximum of everything the operand and it."""

    shape: tuple[int, ...]
    dim: int
    indices: Array
    x: Array | None
    largest: Array | None


class _Max:
    """The largest element, NaN if there is one; along one axis ``saved.indices`` tells where (the first if several)."""

    name = "max"

    def forward(self, x: Array, *, dim: int | None = None, keepdim: bool = False) -> tuple[Array, Places]:
        """Return the maxima; ``dim`` is one axis, or None for the maximum of everything."""
        values, indices, walk = _argmax(x, dim, self.name, logical=False)
        values = walk.shaped(values, keepdim)
        if dim is None or x.ndim == 0:
            return values, Places(x.shape, 0, walk.shaped(indices, keepdim), x, values)
        return values, Places(x.shape, walk.dims[0], walk.shaped(indices, keepdim), None, None)

    def backward(self, saved: Places, dy: Array, needs: Needs) -> tuple[Array | None]:
        """Give the gradient to the element that was found, or in equal parts to all that equal the one maximum."""
        if not needs[0]:
            return (None,)
        shape, dim, indices, x, largest = saved
        if x is None or largest is None:
            dx = np.zeros(shape, dy.dtype)
            if dy.ndim != len(shape):
                dy, indices = np.expand_dims(dy, dim), np.expand_dims(indices, dim)
            np.put_along_axis(dx, indices, dy, dim)
            return (dx,)
        alike = np.asarray(np.isnan(x) if np.isnan(largest) else x == largest)
        each = np.asarray(dy.reshape(()) / np.count_nonzero(alike), dy.dtype)
        return (binary(code.MUL, self.name, alike.astype(dy.dtype), each),)


def argmax(x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """Return where the largest element is, the first if several: along ``dim``, or in row-major order for None."""
    _, indices, walk = _argmax(x, dim, "argmax", logical=True)
    return walk.shaped(indices, keepdim)


def _argmax(x: Array, dim: int | None, name: str, logical: bool) -> tuple[Array, Array, Reduction]:
    """Maxima and their places as (outer, inner), and the walk; ``logical`` asks for row-major places over all axes."""
    walk = reduction(np.ascontiguousarray(x).reshape(x.shape) if dim is None and logical else x, dim)
    if walk.reduced == 0:
        error = RuntimeError if dim is None and name == "max" else IndexError
        raise error(f"{name} needs at least one element, got dim={dim} for shape {x.shape}")
    values, indices = walk.results(x.dtype), walk.results(np.dtype(np.int64))
    operand = walk.operand(x)
    if is_floating(x):
        blocked.argmax(operand, values, indices)
    else:
        indices[...] = operand.argmax(axis=1)
        values[...] = np.take_along_axis(operand, indices[:, None], 1)[:, 0]
    return values, indices, walk


SUM = _Sum()
MEAN = _Mean()
VAR = _Variance()
MAX = _Max()

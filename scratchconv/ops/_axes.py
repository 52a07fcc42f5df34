"""Which axes a reduction removes, and how its operand is seen as (kept, reduced, kept)."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from scratchconv.ops._memory import empty
from scratchconv.ops._op import Array

Ints = tuple[int, ...]
Dims = int | Sequence[int] | None


class Reduction(NamedTuple):
    """The walk of a reduction of an array of ``shape`` over ``dims`` (sorted, not negative).

    ``order`` are the array's axes as the kernel walks through them and ``view`` is their (outer, reduced, inner)
    extent; ``kept`` are the axes that remain, in the order in which the result lies in memory.
    """

    shape: Ints
    dims: Ints
    order: Ints
    view: tuple[int, int, int]
    kept: Ints

    @property
    def reduced(self) -> int:
        """How many elements go into one result."""
        return self.view[1]

    def operand(self, x: Array) -> Array:
        """Return ``x`` as (outer, reduced, inner), copied if its memory does not allow that view."""
        return np.ascontiguousarray(x.transpose(self.order)).reshape(self.view)

    def results(self, dtype: np.dtype[np.generic]) -> Array:
        """Return an uninitialised (outer, inner) array for the results."""
        return empty((self.view[0], self.view[2]), dtype)

    def shaped(self, results: Array, keepdim: bool) -> Array:
        """Return (outer, inner) results in the shape the caller expects."""
        sizes = [self.shape[axis] for axis in self.kept]
        inverse = sorted(range(len(self.kept)), key=self.kept.__getitem__)
        out = results.reshape(sizes).transpose(inverse)
        return self.expand(out) if keepdim else out

    def expand(self, out: Array) -> Array:
        """Return a result (or its gradient) with axes of size 1 in place of the reduced ones."""
        return out if out.ndim == len(self.shape) else np.expand_dims(out, self.dims)


def checked_dims(dim: Dims, shape: Ints) -> Ints:
    """Return the axes named by ``dim`` (all of them for None or an empty sequence), sorted and not negative.

    Raises
    ------
    IndexError
        If an axis does not exist.
    RuntimeError
        If an axis is named twice.
    """
    ndim = len(shape)
    given = [] if dim is None else list(dim) if isinstance(dim, (tuple, list)) else [dim]
    axes = []
    for each in given:
        axis = operator.index(each)  # type: ignore[arg-type]
        low, high = -max(ndim, 1), max(ndim, 1) - 1  # as in PyTorch a 0-d array has an axis 0, of one element
        if not low <= axis <= high:
            raise IndexError(f"dim must lie between {low} and {high}, got {axis} for shape {shape}")
        axes.append(axis % max(ndim, 1))
    if len(set(axes)) != len(axes):
        raise RuntimeError(f"each dim may be named once, got {dim} for shape {shape}")
    return tuple(sorted(axes)) if axes and ndim else tuple(range(ndim))


def reduction(x: Array, dim: Dims) -> Reduction:
    """Return the walk for reducing ``x`` over ``dim``; errors are those of :func:`checked_dims`."""
    return _plan(x.shape, x.strides, checked_dims(dim, x.shape))


@functools.lru_cache(maxsize=1024)
def _plan(shape: Ints, strides: Ints, dims: Ints) -> Reduction:
    order = sorted(range(len(shape)), key=lambda axis: (-abs(strides[axis]), axis))
    long = [axis for axis in order if shape[axis] != 1]
    order = [axis for axis in order if shape[axis] == 1] + long
    turns = sum((a in dims) != (b in dims) for a, b in pairwise(long))
    apart = turns > 2 or (turns == 2 and long[0] in dims)  # the reduced axes are no neighbours in memory
    if apart:
        order = [axis for axis in order if axis not in dims] + list(dims)
    first, last = _span(order, dims, shape)
    kept = tuple(axis for axis in order if axis not in dims)
    outer, inner = order[:first], order[last:]
    sizes = [
        math.prod(shape[axis] for axis in group if keep == (axis not in dims))
        for group, keep in ((outer, True), (order, False), (inner, True))
    ]
    return Reduction(shape, dims, tuple(order), (sizes[0], sizes[1], sizes[2]), kept)


def _span(order: Sequence[int], dims: Ints, shape: Ints) -> tuple[int, int]:
    """Where in ``order`` the run of reduced axes begins and ends, axes of size 1 aside."""
    places = [i for i, axis in enumerate(order) if axis in dims and shape[axis] != 1]
    return (places[0], places[-1] + 1) if places else (len(order), len(order))

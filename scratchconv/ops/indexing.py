"""Reading and writing parts of an array: integers, slices, None, Ellipsis, integer and boolean arrays.

PyTorch and NumPy disagree in one place: an integer beside index arrays. PyTorch takes integers out first, so that
``x[0, :, [1, 2]]`` has shape (size of axis 1, 2); NumPy counts the integer as an index array. ``split`` follows PyTorch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scratchconv.ops._memory import empty_like
from scratchconv.ops._op import Array


class Index(NamedTuple):
    """An index in two steps: ``x[basic]`` is a view; ``[arrays]``, if any, then gathers from it."""

    basic: tuple[Any, ...]
    arrays: tuple[Any, ...] | None


def split(index: Any, ndim: int) -> Index:
    """Split an index for an array with ``ndim`` axes into its basic part and its index arrays.

    Raises
    ------
    IndexError
        If there are more indices than axes, or one of them is not an integer, slice, None, Ellipsis or index array.
    ValueError
        If a slice steps backwards (PyTorch has no such views either).
    """
    items = [_normal(item) for item in (index if isinstance(index, tuple) else (index,))]
    used = sum(_axes(item) for item in items)
    if used > ndim:
        raise IndexError(f"too many indices ({used}) for a tensor with {ndim} dimensions")
    rest = [slice(None)] * (ndim - used)
    if any(item is Ellipsis for item in items):
        at = next(i for i, item in enumerate(items) if item is Ellipsis)
        items[at : at + 1] = rest
    else:
        items += rest
    basic: list[Any] = []
    arrays: list[Any] = []
    for item in items:
        if isinstance(item, np.ndarray):
            basic += [slice(None)] * item.ndim if item.dtype == np.bool_ else [slice(None)]
            arrays.append(item)
        else:
            basic.append(item)
            arrays += [] if isinstance(item, int) else [slice(None)]
    gathers = any(isinstance(item, np.ndarray) for item in arrays)
    return Index(tuple(basic), tuple(arrays) if gathers else None)


def _normal(item: Any) -> Any:
    """Return an index item as int, slice, None, Ellipsis or an integer or boolean array."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        if item.step is not None and item.step < 0:
            raise ValueError(f"slices must step forwards, got {item}; use flip or an index array")
        return item
    array = np.asarray(item)
    if array.size == 0 and not isinstance(item, np.ndarray):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise IndexError(f"an index must be an integer, slice, None, ... or an array of such, got {item!r}")
    return int(array) if array.ndim == 0 and array.dtype.kind != "b" else array


def _axes(item: Any) -> int:
    """How many axes of the array an item stands for."""
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if isinstance(item, np.ndarray) and item.dtype == np.bool_ else 1


def read(x: Array, index: Index) -> Array:
    """Return ``x[index]``: a view unless index arrays gather."""
    part = x[(*index.basic, ...)]  # the Ellipsis makes a 0-d result a view, too
    return part if index.arrays is None else np.asarray(part[index.arrays])


class Picked(NamedTuple):
    """The index and the shape and dtype of what it was applied to."""

    index: Index
    like: Array


class GetItem:
    """``y = x[index]``; where index arrays name an element several times, its gradients add up."""

    name = "index"

    def forward(self, x: Array, *, index: Any) -> tuple[Array, tuple[Any, ...]]:
        """Raise IndexError where the index does not fit."""
        where = split(index, x.ndim)
        return read(x, where), (where, x.shape)

    def backward(self, saved: tuple[Index, tuple[int, ...]], dy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        """Scatter the gradient into zeros."""
        index, shape = saved
        dx = np.zeros(shape, dy.dtype)
        part = dx[(*index.basic, ...)]
        if index.arrays is None:
            part[...] = dy
        else:
            np.add.at(part, index.arrays, dy)
        return (dx,)

"""Reading and writing parts of an array: integers, slices, None, Ellipsis, integer and boolean arrays.

PyTorch and NumPy disagree in one place: an integer beside index arrays. PyTorch takes integers out first, so that
``x[0, :, [1, 2]]`` has shape (size of axis 1, 2); NumPy counts it as an index array. ``split`` follows PyTorch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scratchconv.ops._op import Array
from scratchconv.ops.reduction import sum_to


class Index(NamedTuple):
    """An index in two steps: ``x[basic]`` is a view, also where it is 0-d; ``[arrays]``, if any, gathers from it."""

    basic: tuple[Any, ...]
    arrays: tuple[Any, ...] | None


def split(index: Any, ndim: int) -> Index:
    """Split an index for an array with ``ndim`` axes into its basic part and its index arrays.

    Raises
    ------
    IndexError
        If there are more indices than axes, or one is not an integer, slice, None, Ellipsis or index array.
    ValueError
        If a slice steps backwards (PyTorch has no such views).
    """
    items = [_normal(item) for item in (index if isinstance(index, tuple) else (index,))]
    used = sum(_axes(item) for item in items)
    if used > ndim:
        raise IndexError(f"too many indices: {used} for a tensor with {ndim} dimensions")
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    basic: list[Any] = []
    arrays: list[Any] = []
    for item in items:
        if isinstance(item, np.ndarray):
            basic += [slice(None)] * _axes(item)
            arrays.append(item)
        else:
            basic.append(item)
            left = 0 if isinstance(item, int) else ndim - used if item is Ellipsis else 1
            arrays += [slice(None)] * left
    gathers = any(isinstance(item, np.ndarray) for item in arrays)
    return Index(tuple(basic), tuple(arrays) if gathers else None)


def _normal(item: Any) -> Any:
    """Return an index item as int, slice, None, Ellipsis, or an integer or boolean array."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        if item.step is not None and item.step <= 0:
            raise ValueError(f"slices must step forwards, got {item}; an index array can go backwards")
        return item
    if isinstance(item, str):
        raise TypeError(f"an index cannot be a string, got {item!r}")
    array = np.asarray(item)
    if array.size == 0 and isinstance(item, (list, tuple)):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise IndexError(
            f"an index must be an integer, slice, None, ... or an array of integers or bools, got {item!r}"
        )
    return int(array) if array.ndim == 0 and array.dtype.kind != "b" else array


def _axes(item: Any) -> int:
    """Return how many axes of the array an index item stands for."""
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if isinstance(item, np.ndarray) and item.dtype.kind == "b" else 1


def _read(x: Array, index: Index) -> Array:
    """Return the part of ``x`` that ``index`` names: a view unless it gathers."""
    part: Array = x[index.basic]
    gathered: Array = part if index.arrays is None else part[index.arrays]
    return gathered


def _write(x: Array, index: Index, value: Array | float) -> None:
    """Overwrite the part of ``x`` that ``index`` names."""
    part = x[index.basic]
    part[... if index.arrays is None else index.arrays] = value


class Read(NamedTuple):
    """The index and the shape of the array it was applied to."""

    where: Index
    shape: tuple[int, ...]


class GetItem:
    """``y = x[index]``; where index arrays name an element several times, its gradients add up."""

    name = "index"

    def forward(self, x: Array, *, index: Any) -> tuple[Array, Read]:
        """Raise IndexError if the index does not fit."""
        where = split(index, x.ndim)
        return _read(x, where), Read(where, x.shape)

    def backward(self, saved: Read, dy: Array, needs: tuple[bool, ...]) -> tuple[Array]:
        """Scatter the gradient into zeros."""
        index, shape = saved
        dx = np.zeros(shape, dy.dtype)
        if index.arrays is not None and any(isinstance(a, np.ndarray) and a.dtype.kind != "b" for a in index.arrays):
            np.add.at(dx[index.basic], index.arrays, dy)
        else:
            _write(dx, index, dy)
        return (dx,)


class Written(NamedTuple):
    """The index, and the shape and dtype of the value."""

    where: Index
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class SetItem:
    """``x[index] = value`` in place; the value broadcasts. If an index array repeats an element, the last one wins."""

    name = "set_item"

    def forward(self, x: Array, value: Array, *, index: Any) -> tuple[Array, Written]:
        """Change and return ``x``.

        Raises
        ------
        IndexError
            If the index does not fit.
        RuntimeError
            If the value does not broadcast to the part it is to replace.
        """
        where = split(index, x.ndim)
        try:
            _write(x, where, value)
        except ValueError as error:
            target = _read(x, where).shape
            raise RuntimeError(f"a value of shape {value.shape} does not fit x[index] of shape {target}") from error
        return x, Written(where, value.shape, value.dtype)

    def backward(self, saved: Written, dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, Array | None]:
        """Nothing flows to what was overwritten; the value gets what flows to its place."""
        dx = dvalue = None
        if needs[0]:
            dx = dy.copy()
            _write(dx, saved.where, 0)
        if needs[1]:
            dvalue = sum_to(_read(dy, saved.where), saved.shape).astype(saved.dtype, copy=False)
        return dx, dvalue


GETITEM = GetItem()
SETITEM = SetItem()

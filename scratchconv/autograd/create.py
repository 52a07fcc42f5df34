"""Functions that make tensors from numbers, arrays and random draws; signatures follow PyTorch's.

Floating results are float32 unless ``dtype`` says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchconv.autograd._core import TensorCore
from scratchconv.autograd._shaping import sizes
from scratchconv.autograd.dtypes import DType, float32, int64, of_scalar
from scratchconv.autograd.random import generator
from scratchconv.autograd.tensor import Tensor
from scratchconv.ops import _memory
from scratchconv.ops._op import Array

Size = int | Sequence[int]


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Copy numbers, nested lists, an array or a tensor; arrays keep their dtype, Python floats become float32.

    >>> tensor([[1.0, 2.0], [3.0, 4.0]]).sum().item()
    10.0
    """
    source = data.data if isinstance(data, TensorCore) else data
    array = np.array(source, dtype=dtype)
    if array.dtype.kind not in "buif":
        raise TypeError(f"a tensor is made of numbers, got {data!r}")
    if dtype is None and array.dtype == np.float64 and not isinstance(source, (np.ndarray, np.generic)):
        array = array.astype(float32)
    return Tensor(array, requires_grad)


def from_numpy(array: Array) -> Tensor:
    """Wrap an array; the tensor shares its memory.

    Raises
    ------
    TypeError
        If ``array`` is not a NumPy array, or its dtype is neither bool, integer nor floating.
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
        raise TypeError(f"from_numpy expects a NumPy array of numbers, got {getattr(array, 'dtype', type(array))}")
    return Tensor(array)


def empty(*size: Size, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor whose values are whatever the memory held."""
    return Tensor(_memory.empty(sizes(size), dtype or float32), requires_grad)


def full(size: Sequence[int], fill_value: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor with every element equal to ``fill_value``, whose kind decides the dtype."""
    if any(length < 0 for length in size):
        raise RuntimeError(f"sizes must not be negative, got {tuple(size)}")
    result = _memory.empty(tuple(size), dtype or of_scalar(fill_value))
    result.fill(fill_value)
    return Tensor(result, requires_grad)


def zeros(*size: Size, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of zeros: ``zeros(2, 3)`` or ``zeros((2, 3))``."""
    return full(sizes(size), 0, dtype or float32, requires_grad)


def ones(*size: Size, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of ones: ``ones(2, 3)`` or ``ones((2, 3))``."""
    return full(sizes(size), 1, dtype or float32, requires_grad)


def _filled_like(x: Tensor, value: float, dtype: Any, requires_grad: bool) -> Tensor:
    """Return a constant tensor with the shape and memory order of ``x``."""
    result = _memory.empty_like(x.data, dtype)
    result.fill(value)
    return Tensor(result, requires_grad)


def zeros_like(x: Tensor, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return zeros with the shape, dtype and memory order of ``x``."""
    return _filled_like(x, 0, dtype, requires_grad)


def ones_like(x: Tensor, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ones with the shape, dtype and memory order of ``x``."""
    return _filled_like(x, 1, dtype, requires_grad)


def full_like(x: Tensor, fill_value: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a constant with the shape, dtype and memory order of ``x``."""
    return _filled_like(x, fill_value, dtype, requires_grad)


def eye(n: int, m: int | None = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return an (n, m) matrix with ones on its diagonal."""
    return Tensor(np.eye(n, m, dtype=dtype or float32), requires_grad)


def arange(start: float, end: float | None = None, step: float = 1, dtype: Any = None) -> Tensor:
    """Return ``start, start + step, ...`` below ``end``; int64 if all three are integers, else float32."""
    first, last = (0, start) if end is None else (start, end)
    if step == 0 or (last - first) * step < 0:
        raise RuntimeError(f"arange needs a step that leads from {first} to {last}, got {step}")
    whole = all(isinstance(value, int) for value in (first, last, step))
    return Tensor(np.arange(first, last, step).astype(dtype or (int64 if whole else float32)))


def linspace(start: float, end: float, steps: int, dtype: Any = None) -> Tensor:
    """Return ``steps`` evenly spaced values from ``start`` to ``end``, both included."""
    return Tensor(np.linspace(start, end, steps).astype(dtype or float32))


def randn(*size: Size, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return draws from the standard normal distribution."""
    return Tensor(generator().standard_normal(sizes(size), _drawn(dtype)), requires_grad)


def rand(*size: Size, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return draws from the uniform distribution on [0, 1)."""
    return Tensor(generator().random(sizes(size), _drawn(dtype)), requires_grad)


def randint(low: int, high: int, size: Sequence[int], dtype: Any = None) -> Tensor:
    """Return integers drawn uniformly from ``low`` to ``high - 1``."""
    return Tensor(generator().integers(low, high, tuple(size)).astype(dtype or int64, copy=False))


def randperm(n: int) -> Tensor:
    """Return the integers from 0 to ``n - 1`` in random order."""
    return Tensor(generator().permutation(n))


def _drawn(dtype: Any) -> Any:
    """Return a dtype that NumPy can draw (float32 or float64)."""
    chosen: DType = np.dtype(dtype or float32)
    if chosen.kind != "f":
        raise RuntimeError(f"random numbers of this kind are floating, got dtype {chosen}")
    return chosen

"""Checks that several operations share. Every message names the rule, the value received and the full shapes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from scratchconv.ops._op import Array

_FLOATING = frozenset((np.dtype(np.float32), np.dtype(np.float64)))


def integer(value: Any, name: str) -> int:
    """Return ``value`` as an int, or raise TypeError if it is none (a truth value is none)."""
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise TypeError(f"{name} must be an integer, got {value!r}")


def pair(value: int | Sequence[int], name: str) -> tuple[int, int]:
    """Return (height, width) from one integer for both or a sequence of one or two integers.

    Raises
    ------
    TypeError
        If ``value`` is neither.
    RuntimeError
        If the sequence has another length.
    """
    parts = value if isinstance(value, (tuple, list)) else (value,)
    try:
        numbers = [integer(part, name) for part in parts]
    except TypeError:
        raise TypeError(f"{name} must be an integer or a pair of integers, got {value!r}") from None
    if len(numbers) == 1:
        numbers *= 2
    if len(numbers) != 2:
        raise RuntimeError(f"{name} must be one integer or a pair of integers, got {value!r}")
    return numbers[0], numbers[1]


def at_least(lowest: int, value: tuple[int, int], name: str) -> tuple[int, int]:
    """Return ``value``, or raise RuntimeError if a part of it lies below ``lowest``."""
    if min(value) < lowest:
        raise RuntimeError(f"{name} must be at least {lowest} in each dimension, got {value}")
    return value


def same_dtype(**arrays: Array | None) -> np.dtype[Any]:
    """Return the one floating dtype of all arrays (None is skipped), or raise RuntimeError."""
    dtypes = {array.dtype for array in arrays.values() if array is not None}
    if len(dtypes) != 1 or not dtypes <= _FLOATING:
        described = ", ".join(f"{name} {x.dtype} {x.shape}" for name, x in arrays.items() if x is not None)
        raise RuntimeError(f"all arguments must share one dtype, float32 or float64, got {described}")
    return dtypes.pop()


def truth(value: Any, name: str) -> bool:
    """Return ``value``, or raise TypeError if it is not True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def supported(x: Array, operation: str) -> np.dtype[Any]:
    """Return the dtype of the input of ``operation``, or raise NotImplementedError unless it is float32 or float64."""
    if x.dtype not in _FLOATING:
        raise NotImplementedError(f"{operation} needs float32 or float64, got {x.dtype} of shape {x.shape}")
    return x.dtype

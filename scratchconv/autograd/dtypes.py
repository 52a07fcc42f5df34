"""PyTorch's rules for which dtype a result has, on NumPy's dtypes.

They differ from NumPy's in three ways: Python floats mean float32, integers never push a float to float64, and a 0-d
tensor changes the dtype of a larger one only if it is of a higher kind (bool < integer < floating).
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from scratchconv.ops._op import Array

DType = np.dtype[Any]

float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
int64 = np.dtype(np.int64)
bool = np.dtype(np.bool_)

KINDS = {"b": 0, "u": 1, "i": 1, "f": 2}


def of_scalar(value: float) -> DType:
    """Return the dtype that a Python number gets on its own."""
    if isinstance(value, builtins.bool):
        return bool
    return int64 if isinstance(value, int) else float32


def result_type(*operands: Array | float) -> DType:
    """Return the common dtype of arrays and Python numbers by PyTorch's rules.

    Arrays with axes come first, 0-d arrays second, numbers last; a later group counts only if its kind is higher.
    """
    groups: list[list[DType]] = [[], [], []]
    for operand in operands:
        if isinstance(operand, np.ndarray):
            groups[0 if operand.ndim else 1].append(operand.dtype)
        else:
            groups[2].append(of_scalar(operand))
    best: DType | None = None
    for group in groups:
        found = _promote(group)
        if found is not None and (best is None or KINDS[found.kind] > KINDS[best.kind]):
            best = found
    if best is None:
        raise TypeError("no operands")
    return best


def _promote(group: list[DType]) -> DType | None:
    """Return the widest dtype of the highest kind present."""
    if not group:
        return None
    top = max(KINDS[dtype.kind] for dtype in group)
    return np.result_type(*[dtype for dtype in group if KINDS[dtype.kind] == top])

"""The same expression written once and run twice: on our tensors and on PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import scratchconv as sc

# Both libraries compute in float32 (or 64) with different orders of summation over at most a few hundred elements of
# size about 1: some tens of roundings of 6e-8 (1e-16).
SINGLE, DOUBLE = 5e-6, 1e-12

Expression = Callable[..., Any]


def leaves(arrays: tuple[Any, ...], lib: Any) -> list[Any]:
    """Fresh leaves of ``lib``; floating ones require a gradient, anything but arrays is passed through."""
    made = []
    for array in arrays:
        if not isinstance(array, np.ndarray):
            made.append(array)
            continue
        leaf = lib.from_numpy(array.copy(order="K"))
        made.append(leaf.requires_grad_() if array.dtype.kind == "f" else leaf)
    return made


def agree(ours: Any, theirs: Any, tolerance: float = SINGLE) -> None:
    """One result: dtype, shape and values (floating ones within ``tolerance``, others exactly)."""
    if not isinstance(theirs, torch.Tensor):
        assert type(ours) is type(theirs)
        assert ours == theirs
        return
    assert isinstance(ours, sc.Tensor)
    expected = theirs.detach().numpy()
    assert ours.dtype == expected.dtype
    assert ours.shape == expected.shape
    if expected.dtype.kind != "f":
        tolerance = 0
    np.testing.assert_allclose(ours.data, expected, rtol=tolerance, atol=tolerance)


def same(expression: Expression, *arrays: Any) -> None:
    """Run ``expression(lib, *leaves)`` with both libraries; compare values, dtypes, flags and all gradients."""
    ours, theirs = leaves(arrays, sc), leaves(arrays, torch)
    single = any(isinstance(array, np.ndarray) and array.dtype == np.float32 for array in arrays)
    tolerance = SINGLE if single else DOUBLE
    y, expected = expression(sc, *ours), expression(torch, *theirs)
    agree(y, expected, tolerance)
    if not isinstance(expected, torch.Tensor):
        return
    assert y.requires_grad == expected.requires_grad
    assert y.is_leaf == expected.is_leaf
    if not expected.requires_grad:
        return
    dy = np.random.default_rng(1).standard_normal(tuple(expected.shape)).astype(y.dtype)
    y.backward(sc.from_numpy(dy))
    expected.backward(torch.from_numpy(dy))
    for leaf, other in zip(ours, theirs, strict=True):
        if isinstance(other, torch.Tensor) and other.requires_grad:
            assert (leaf.grad is None) == (other.grad is None)
            if other.grad is not None:
                agree(leaf.grad, other.grad, tolerance)


def same_error(expression: Expression, *arrays: Any) -> None:
    """Both libraries refuse ``expression`` with the same type of exception, and our message has something to say."""
    with pytest.raises(Exception) as theirs:
        expression(torch, *leaves(arrays, torch))
    # PyTorch's NotImplementedError is a RuntimeError; the plainer type is as good.
    expected = RuntimeError if issubclass(theirs.type, RuntimeError) else theirs.type
    with pytest.raises(expected) as ours:
        expression(sc, *leaves(arrays, sc))
    assert len(str(ours.value)) > 15


def draw(*shape: int, dtype: Any = np.float32, seed: int = 0) -> Any:
    """Normal numbers."""
    return np.random.default_rng((seed, *shape)).standard_normal(shape).astype(dtype)

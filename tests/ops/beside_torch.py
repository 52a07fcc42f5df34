"""An operation beside PyTorch's: values, gradients, directional derivatives and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

Array = np.ndarray[Any, Any]


def forward_backward(op: Any, arrays: list[Array], dy: Array | None = None, **params: Any) -> tuple[Array, list[Array]]:
    """(y, all gradients) for an output gradient of ones or ``dy``; the arrays must not change."""
    before = [array.copy() for array in arrays]
    y, saved = op.forward(*arrays, **params)
    dy = np.ones_like(y) if dy is None else dy
    kept = dy.copy()
    gradients = op.backward(saved, dy, (True,) * len(arrays))
    for array, old in zip([*arrays, dy], [*before, kept], strict=True):
        np.testing.assert_array_equal(array, old)
    return y, list(gradients)


def by_torch(
    function: Callable[..., Any], arrays: list[Array], dy: Array | None = None, **params: Any
) -> tuple[Array, list[Array]]:
    """The same from PyTorch; ``arrays`` go to its first arguments, in contiguous memory."""
    leaves = [torch.from_numpy(np.array(array, order="C")).requires_grad_() for array in arrays]
    y = function(*leaves, **params)
    y.backward(torch.ones_like(y) if dy is None else torch.from_numpy(np.array(dy, order="C")))
    return y.detach().numpy(), [leaf.grad.numpy() for leaf in leaves]


def assert_directional_derivative(op: Any, arrays: list[Array], seed: int = 0, **params: Any) -> None:
    """The gradients along a random direction equal a central difference of a random weighting of the output, float64.

    The step h = 1e-6 leaves a truncation error of h² times a third derivative of order 1, and a rounding error of
    1e-16 / h = 1e-10 times the terms of the sum, some hundreds of order 1: 1e-6 covers both many times.
    """
    rng = np.random.default_rng(seed)
    direction = [rng.standard_normal(array.shape) for array in arrays]
    y, saved = op.forward(*arrays, **params)
    weights = rng.standard_normal(y.shape)
    gradients = op.backward(saved, weights, (True,) * len(arrays))
    slope = sum(np.vdot(g, d) for g, d in zip(gradients, direction, strict=True))

    def value(step: float) -> float:
        moved = [array + step * d for array, d in zip(arrays, direction, strict=True)]
        return float(np.vdot(weights, op.forward(*moved, **params)[0]))

    np.testing.assert_allclose(slope, (value(1e-6) - value(-1e-6)) / 2e-6, rtol=1e-6, atol=1e-6)


def assert_same_error(ours: Callable[[], Any], theirs: Callable[[], Any], *mentions: str) -> None:
    """Both raise the same type, and our message mentions the given texts."""
    with pytest.raises(Exception) as expected:
        theirs()
    with pytest.raises(expected.type) as found:
        ours()
    assert found.type is expected.type
    for text in mentions:
        assert text in str(found.value)

"""One operation run on arrays and the same function of PyTorch: values, shapes, gradients, memory left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from scratchconv.ops._op import Array, saved_arrays


def twin(x: Array) -> torch.Tensor:
    """A leaf tensor with a copy of ``x``."""
    return torch.tensor(np.ascontiguousarray(x).reshape(x.shape), requires_grad=x.dtype.kind == "f")


def check(op: Any, function: Callable[..., torch.Tensor], *inputs: Array, tolerance: float, **params: Any) -> Array:
    """Compare ``op.forward(*inputs, **params)`` and its gradients with ``function(*tensors)``; return the result."""
    copies = [x.copy() for x in inputs]
    tensors = [twin(x) for x in inputs]
    y, saved = op.forward(*inputs, **params)
    expected = function(*tensors)
    agree(y, expected, tolerance)
    dy = np.random.default_rng(0).uniform(-1, 1, size=y.shape).astype(y.dtype)
    kept = dy.copy()
    if expected.requires_grad:
        expected.backward(torch.tensor(dy))
        gradients = op.backward(saved, dy, (True,) * len(inputs))
        assert len(gradients) == len(inputs)
        for dx, x, tensor in zip(gradients, inputs, tensors, strict=True):
            assert dx.dtype == x.dtype
            assert tensor.grad is not None
            agree(dx, tensor.grad, tolerance)
        if getattr(op, "fresh", False):
            check_fresh(gradients, (dy, y, *inputs, *saved_arrays(saved)))
        assert all(dx is None for dx in op.backward(saved, dy, (False,) * len(inputs)))
    assert np.array_equal(dy, kept)
    assert all(np.array_equal(x, copy) for x, copy in zip(inputs, copies, strict=True)), "an input was changed"
    return y


def check_fresh(gradients: Sequence[Array], others: Sequence[Array]) -> None:
    """No gradient lies in memory of another, or of what the operation was given, returned or saved."""
    for i, dx in enumerate(gradients):
        assert dx.flags.writeable
        assert not any(np.may_share_memory(dx, other) for other in (*others, *gradients[:i]))


def agree(found: Array, expected: torch.Tensor, tolerance: float) -> None:
    """Same shape, and values within ``tolerance`` of the largest."""
    assert found.shape == tuple(expected.shape)
    wanted = expected.detach().numpy()
    scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * scale)

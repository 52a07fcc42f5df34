"""torch.matmul's shapes: vectors, matrices, batches that broadcast; gradients; errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import scratchconv as sc
from scratchconv.autograd import apply
from scratchconv.autograd.gradcheck import gradcheck
from scratchconv.ops import matmul as op
from tests.array_strategies import DTYPES, arrays
from tests.ops.comparing import check

# Sums of at most 9 * 9 * 9 products of size up to 4, in different orders.
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-14}
batches = mutually_broadcastable_shapes(num_shapes=2, max_dims=2, min_side=1, max_side=3)
side = st.integers(0, 9)


@given(st.data(), batches, side, side, side, st.sampled_from(DTYPES))
def test_batches(data: Any, batch: Any, m: int, k: int, n: int, dtype: type) -> None:
    left, right = batch.input_shapes
    a, b = data.draw(arrays((*left, m, k), dtype)), data.draw(arrays((*right, k, n), dtype))
    check(op, torch.matmul, a, b, tolerance=TOLERANCE[dtype])


@pytest.mark.parametrize(
    ("left", "right"), [((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 5)), ((4,), (2, 4, 5)), ((2, 3, 4), (4,))]
)
def test_vectors(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    check(op, torch.matmul, rng.normal(size=left), rng.normal(size=right), tolerance=TOLERANCE[np.float64])


def test_transposed_operands_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 5, 5))
    seen = []
    original = op.tiled.matmul
    monkeypatch.setattr(op.tiled, "matmul", lambda *arguments: (seen.append(arguments[:4]), original(*arguments)))
    y, _ = op.forward(a.T, b.T)
    np.testing.assert_allclose(y, a.T @ b.T, rtol=1e-13)
    ((left, right, transpose_a, transpose_b),) = seen
    assert np.shares_memory(left, a)
    assert np.shares_memory(right, b)
    assert transpose_a
    assert transpose_b


def test_gradients_against_differences() -> None:
    rng = np.random.default_rng(0)
    a, b = (sc.from_numpy(rng.normal(size=shape)).requires_grad_() for shape in ((2, 1, 3, 4), (5, 4, 6)))
    assert gradcheck(lambda x, y: apply(op, x, y), [a, b])


def test_errors() -> None:
    x = np.zeros((2, 3))
    with pytest.raises(RuntimeError, match=r"got \(2, 3\) and \(2, 3\): 3 is not 2"):
        op.forward(x, x)
    with pytest.raises(RuntimeError, match="at least one axis"):
        op.forward(x, np.zeros(()))
    with pytest.raises(RuntimeError, match="one dtype"):
        op.forward(x, x.T.astype(np.float32))
    with pytest.raises(RuntimeError, match="do not broadcast"):
        op.forward(np.zeros((2, 3, 4)), np.zeros((3, 4, 5)))

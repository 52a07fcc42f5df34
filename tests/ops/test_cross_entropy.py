"""Cross entropy, softmax and log-softmax against PyTorch: shapes, reductions, weights, smoothing, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

import scratchconv as sc
from scratchconv.autograd import apply
from scratchconv.autograd.gradcheck import gradcheck
from scratchconv.ops import cross_entropy as op
from tests.array_strategies import DTYPES, arrays
from tests.ops.comparing import check

# An exponential, a logarithm, and sums over at most 9 classes and 9 * 5 * 5 samples; relative to the largest result.
TOLERANCE = {np.float32: 5e-6, np.float64: 1e-14}
REDUCTIONS = ("mean", "sum", "none")


@given(
    st.data(),
    array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=6),
    st.sampled_from(REDUCTIONS),
    st.booleans(),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.sampled_from(DTYPES),
)
def test_equals_pytorch(
    data: Any, shape: tuple[int, ...], reduction: str, weighted: bool, smoothing: float, dtype: type
) -> None:
    logits = data.draw(arrays(shape, dtype, low=-5, high=5))
    classes, labels = (shape[1], shape[:1] + shape[2:]) if len(shape) > 1 else (shape[0], ())
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    target = np.asarray(rng.integers(0, classes, size=labels))
    if target.size > 1:
        target.reshape(-1)[-1] = 7  # ignored, and no class
    weight = rng.uniform(0.5, 1.5, size=classes).astype(dtype) if weighted else None
    more = {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": 7}

    def function(t: torch.Tensor) -> torch.Tensor:
        factors = None if weight is None else torch.tensor(weight)
        return torch.nn.functional.cross_entropy(t, torch.tensor(target), factors, **more)

    check(op, function, logits, target=target, weight=weight, tolerance=TOLERANCE[dtype], **more)


@given(st.data(), array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7), st.sampled_from(DTYPES))
def test_softmaxes(data: Any, shape: tuple[int, ...], dtype: type) -> None:
    x = data.draw(arrays(shape, dtype, low=-5, high=5))
    dim = data.draw(st.integers(-max(len(shape), 1), max(len(shape), 1) - 1))
    check(op.SOFTMAX, lambda t: t.softmax(dim), x, dim=dim, tolerance=TOLERANCE[dtype])
    check(op.LOG_SOFTMAX, lambda t: t.log_softmax(dim), x, dim=dim, tolerance=TOLERANCE[dtype])


def test_by_hand() -> None:
    logits = np.log(np.array([[1.0, 2.0, 5.0], [4.0, 3.0, 1.0]]))
    losses, _ = op.forward(logits, target=np.array([2, 1]), reduction="none")
    np.testing.assert_allclose(losses, -np.log([0.625, 0.375]), rtol=1e-14)
    y, saved = op.forward(logits, target=np.array([2, 1]))
    np.testing.assert_allclose(y, losses.mean(), rtol=1e-14)
    (dx,) = op.backward(saved, np.array(2.0), (True,))
    np.testing.assert_allclose(dx, [[0.125, 0.25, -0.375], [0.5, -0.625, 0.125]], rtol=1e-14)


def test_huge_scores_and_nothing_to_average() -> None:
    y, saved = op.forward(np.array([[1e30, -1e30, 0.0]], np.float32), target=np.array([0]))
    assert y == 0
    assert op.backward(saved, np.ones((), np.float32), (True,))[0].tolist() == [[0, 0, 0]]
    y, _ = op.forward(np.array([[1e30, -1e30]], np.float32), target=np.array([1]))
    assert y == np.float32(2e30)
    assert np.isnan(op.forward(np.zeros((1, 3)), target=np.array([-100]))[0])
    assert op.forward(np.zeros((0, 3)), target=np.zeros(0, np.int64), reduction="sum")[0] == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradients_against_differences(reduction: str, smoothing: float) -> None:
    rng = np.random.default_rng(0)
    logits = sc.from_numpy(rng.normal(size=(4, 3, 2))).requires_grad_()
    target = rng.integers(0, 3, size=(4, 2))
    more = {"target": target, "reduction": reduction, "label_smoothing": smoothing}
    assert gradcheck(lambda x: apply(op, x, **more), [logits])
    assert gradcheck(lambda x: apply(op.SOFTMAX, x, dim=1), [logits])
    assert gradcheck(lambda x: apply(op.LOG_SOFTMAX, x, dim=0), [logits])


LOGITS, LABELS = np.zeros((3, 4), np.float32), np.array([0, 1, 2])
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"target": np.array([0, 4, 1])}, r"labels must lie between 0 and 3 \(logits \(3, 4\)\), got 4"),
    ({"target": np.array([0, -1, 1])}, "got -1"),
    ({"target": LABELS[:2]}, r"target must have shape \(3,\) for logits \(3, 4\), got \(2,\)"),
    ({"target": LABELS[:, None]}, r"got \(3, 1\)"),
    ({"target": LABELS.astype(np.int32)}, r"int64 class labels, got int32 \(3,\)"),
    ({"target": LABELS.astype(np.float32)}, "got float32"),
    ({"target": LABELS, "weight": np.ones(3, np.float32)}, r"weight must be \(4,\) float32"),
    ({"target": LABELS, "weight": np.ones(4)}, r"got float64 \(4,\)"),
    ({"target": LABELS, "label_smoothing": 1.5}, "between 0 and 1, got 1.5"),
    ({"target": LABELS, "reduction": "max"}, "'mean', 'sum' or 'none', got 'max'"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_errors_have_the_type_of_pytorch(arguments: dict[str, Any], message: str) -> None:
    tensors = {name: torch.tensor(x) if isinstance(x, np.ndarray) else x for name, x in arguments.items()}
    with pytest.raises(Exception) as theirs:  # which type, is the question
        torch.nn.functional.cross_entropy(torch.tensor(LOGITS), **tensors)
    with pytest.raises(theirs.type, match=message):
        op.forward(LOGITS, **arguments)


def test_needs_floating_scores() -> None:
    with pytest.raises(RuntimeError, match="logits must be float32 or float64"):
        op.forward(LOGITS.astype(np.int64), target=LABELS)
    with pytest.raises(RuntimeError, match="softmax needs float32 or float64, got int64"):
        op.SOFTMAX.forward(LABELS, dim=0)
    with pytest.raises(IndexError, match="dim must lie between -2 and 1, got 2"):
        op.LOG_SOFTMAX.forward(LOGITS, dim=2)

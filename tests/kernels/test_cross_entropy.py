"""Softmax and cross-entropy kernels: the contract against formulas without shifts, rows against the contract."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels.cross_entropy import naive, rows
from tests.kernels.threads import every_thread_count

ALGORITHMS = (naive, rows)
SHAPES = [(1, 1), (3, 10), (70, 33), (2, 700)]
IGNORED = -100


def run(
    algorithm: object, x: np.ndarray, dy: np.ndarray, target: np.ndarray, smoothing: float
) -> dict[str, np.ndarray]:
    weight = np.linspace(0.5, 1.5, x.shape[1]).astype(x.dtype)
    names = ("log_softmax", "softmax", "log_softmax_gradient", "softmax_gradient", "loss_gradient")
    out = {name: np.full_like(x, np.nan) for name in names}
    out["loss"], out["loss_logp"], out["totals"] = np.full(len(x), np.nan), np.full_like(x, np.nan), np.full(3, np.nan)
    algorithm.log_softmax(x, out["log_softmax"])
    algorithm.softmax(x, out["softmax"])
    algorithm.log_softmax_gradient(out["log_softmax"], dy, out["log_softmax_gradient"])
    algorithm.softmax_gradient(out["softmax"], dy, out["softmax_gradient"])
    algorithm.loss(x, target, weight, IGNORED, smoothing, out["loss_logp"], out["loss"], out["totals"])
    scale = np.linspace(1, 2, len(x))
    algorithm.loss_gradient(out["log_softmax"], target, weight, IGNORED, smoothing, scale, out["loss_gradient"])
    return out


def formulas(x: np.ndarray, dy: np.ndarray, target: np.ndarray, smoothing: float) -> dict[str, np.ndarray]:
    """The README's definitions in float64, for scores so small that nothing overflows."""
    n, classes = x.shape
    x, dy, weight, scale = x.astype(float), dy.astype(float), np.linspace(0.5, 1.5, classes), np.linspace(1, 2, n)
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    counted = target != IGNORED
    label = np.where(counted, target, 0)
    q = np.tile(smoothing / classes * weight, (n, 1))
    q[np.arange(n), label] += (1 - smoothing) * weight[label]
    q *= counted[:, None]
    losses = -(q * np.log(p)).sum(1)
    return {
        "loss_logp": np.log(p),
        "totals": np.array([losses.sum(), weight[target[counted]].sum(), -1]),
        "softmax": p,
        "log_softmax": np.log(p),
        "softmax_gradient": p * (dy - (dy * p).sum(1, keepdims=True)),
        "log_softmax_gradient": dy - p * dy.sum(1, keepdims=True),
        "loss": losses,
        "loss_gradient": scale[:, None] * (p * q.sum(1, keepdims=True) - q),
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_equals_the_formulas(algorithm: object, shape: tuple[int, int], dtype: type, smoothing: float) -> None:
    rng = np.random.default_rng(0)
    x, dy = (rng.normal(size=shape).astype(dtype) for _ in range(2))
    target = rng.integers(0, shape[1], size=shape[0])
    target[1:2] = IGNORED
    copies = x.copy(), dy.copy(), target.copy()
    found, wanted = run(algorithm, x, dy, target, smoothing), formulas(x, dy, target, smoothing)
    for name, truth in wanted.items():
        # one exponential and a sum in float64; a logarithm near 7 and the sum of 700 numbers dy near 30 round the most;
        # totals are sums over the rows
        rows_summed = len(x) if name == "totals" else 1
        atol = 50 * np.finfo(dtype).eps * rows_summed
        np.testing.assert_allclose(found[name], truth, rtol=0, atol=atol, err_msg=name)
    assert all(np.array_equal(a, b) for a, b in zip(copies, (x, dy, target), strict=True))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_case_by_hand(algorithm: object) -> None:
    x, out = np.log(np.array([[1.0, 2.0, 5.0]])), np.empty((1, 3))
    algorithm.softmax(x, out)
    np.testing.assert_allclose(out, [[0.125, 0.25, 0.625]], rtol=1e-15)
    logp, losses, totals = np.empty((1, 3)), np.empty(1), np.empty(3)
    algorithm.loss(x, np.array([2]), np.array([1.0, 1.0, 2.0]), IGNORED, 0.0, logp, losses, totals)
    np.testing.assert_allclose(logp, np.log(out), rtol=1e-15)
    np.testing.assert_allclose(losses, -2 * np.log(0.625), rtol=1e-15)
    np.testing.assert_allclose(totals, [losses[0], 2, -1])
    algorithm.loss_gradient(logp, np.array([2]), np.ones(3), IGNORED, 0.0, np.ones(1), out)
    np.testing.assert_allclose(out, [[0.125, 0.25, -0.375]], rtol=1e-15)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("wrong", [3, -1])
def test_names_the_first_label_that_is_no_class(algorithm: object, wrong: int) -> None:
    x, logp, losses, totals = np.zeros((4, 3)), np.empty((4, 3)), np.empty(4), np.empty(3)
    algorithm.loss(x, np.array([2, IGNORED, wrong, wrong]), np.ones(3), IGNORED, 0.0, logp, losses, totals)
    assert totals[1:].tolist() == [1, 2]
    np.testing.assert_allclose(losses, [np.log(3), 0, np.nan, np.nan])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_huge_scores(algorithm: object, dtype: type) -> None:
    x, out = np.array([[1e30, -1e30, 1e30], [-1e4, -1e4, -2e4], [-np.inf, 0.0, 0.0]], dtype), np.empty((3, 3), dtype)
    algorithm.softmax(x, out)
    np.testing.assert_array_equal(out, [[0.5, 0, 0.5], [0.5, 0.5, 0], [0, 0.5, 0.5]])
    algorithm.log_softmax(x, out)
    log2 = np.log(2).astype(dtype)
    np.testing.assert_allclose(out, [[-log2, -2e30, -log2], [-log2, -log2, -1e4], [-np.inf, -log2, -log2]], rtol=1e-4)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nan_stays_in_its_row(algorithm: object) -> None:
    x, out = np.array([[1.0, np.nan], [0.0, 0.0]]), np.empty((2, 2))
    algorithm.softmax(x, out)
    assert np.isnan(out[0]).all()
    assert out[1].tolist() == [0.5, 0.5]


def test_equal_bits_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    x, dy = (rng.normal(size=(500, 100)).astype(np.float32) for _ in range(2))
    target = rng.integers(0, 100, size=500)
    results = [run(rows, x, dy, target, 0.1) for _ in every_thread_count()]
    assert all(np.array_equal(results[0][name], other[name]) for other in results[1:] for name in other)

"""Reduction kernels: every algorithm against exact sums, against the contract, and for any number of threads."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scratchconv.kernels.reduction import blocked, naive
from tests.kernels.threads import every_thread_count

ALGORITHMS = (naive, blocked)
# (outer, reduced, inner): one result, rows, columns, tails of vectors and of runs, nothing to add, many chunks.
SHAPES = [
    (1, 1, 1),
    (1, 1000, 1),
    (7, 33, 1),
    (1, 131, 16),
    (3, 70, 19),
    (2, 5, 150),
    (2, 0, 3),
    (1, 70000, 1),
    (1, 5000, 9),
]


def poisoned(x: np.ndarray) -> np.ndarray:
    return np.full((x.shape[0], x.shape[2]), np.nan, x.dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_total(algorithm: object, shape: tuple[int, int, int], dtype: type) -> None:
    x = np.random.default_rng(0).uniform(1, 2, size=shape).astype(dtype)
    before, out = x.copy(), poisoned(x)
    algorithm.total(x, 4.0, out)
    exact = [[math.fsum(x[o, :, i]) / 4 for i in range(shape[2])] for o in range(shape[0])]
    # A run of at most 32 rounded additions of positive numbers and the merging of lanes err by fewer than 32 + 8 half
    # units; float64, which rounds each of the up to 1200 runs and chunks once more, by about sqrt(1200) half units.
    np.testing.assert_allclose(out, np.array(exact).reshape(out.shape), rtol=40 * np.finfo(dtype).eps, atol=0)
    assert np.array_equal(x, before)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_whole_numbers_are_summed_exactly(algorithm: object) -> None:
    x = np.random.default_rng(0).integers(-9, 10, size=(2, 333, 21)).astype(np.float32)
    out = poisoned(x)
    algorithm.total(x, 1.0, out)
    assert np.array_equal(out, x.sum(1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[1] > 1])
def test_variance_far_from_zero(algorithm: object, shape: tuple[int, int, int], dtype: type) -> None:
    x = (1000 + np.random.default_rng(0).normal(size=shape)).astype(dtype)
    wide = x.astype(np.longdouble)
    exact = ((wide - wide.mean(1, keepdims=True)) ** 2).sum(1) / (shape[1] - 1)
    out = poisoned(x)
    algorithm.variance(x, wide.mean(1).astype(dtype), 1, out)
    # Deviations from a mean near 1000 are exact (x and the mean share their exponent); squares and sums round.
    np.testing.assert_allclose(out, exact.astype(np.float64), rtol=40 * np.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_variance_of_one_number(algorithm: object) -> None:
    out = np.empty((1, 1))
    with np.errstate(all="ignore"):
        algorithm.variance(np.full((1, 1, 1), 3.0), np.full((1, 1), 3.0), 1, out)
    assert np.isnan(out[0, 0])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_first_maximum_wins_and_nan_is_larger_than_any_number(algorithm: object) -> None:
    nan = np.nan
    x = np.array([[1, 3, 3, 2], [nan, 5, nan, 9], [-1, -1, -2, -3], [4, nan, 5, nan]]).reshape(4, 4, 1)
    values, indices = poisoned(x), np.full((4, 1), -1)
    algorithm.argmax(x, values, indices)
    assert indices[:, 0].tolist() == [1, 0, 0, 1]
    np.testing.assert_array_equal(values[:, 0], [3, nan, -1, nan])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[1]])
def test_argmax(algorithm: object, shape: tuple[int, int, int], dtype: type) -> None:
    x = np.random.default_rng(0).integers(0, 50, size=shape).astype(dtype)
    values, indices = poisoned(x), np.full((shape[0], shape[2]), -1)
    algorithm.argmax(x, values, indices)
    assert np.array_equal(indices, x.argmax(1))
    assert np.array_equal(values, x.max(1))


def test_equal_bits_for_any_number_of_threads() -> None:
    for shape in ((1, 300_000, 1), (1, 20_000, 19), (5, 3_000, 17)):
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        results = []
        for _ in every_thread_count():
            out = poisoned(x)
            blocked.total(x, 1.0, out)
            results.append(out)
        assert all(np.array_equal(results[0], other) for other in results[1:])

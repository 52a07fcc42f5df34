from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from scratchconv.kernels.max_pool2d import naive, vector
from tests.kernels.pooling import Array, by_torch, every_window_has_a_tap, output_shape, pairs, poisoned
from tests.kernels.threads import every_thread_count
from tests.strategies import PoolGeometry, dtypes, pool_geometries

ALGORITHMS = [naive, vector]
max_pool2d = torch.nn.functional.max_pool2d
seeds = st.integers(0, 2**16)

# Windows of every kind that the vector kernels treat apart: tiled, disjoint with a rest, overlapping, clipped, dilated.
WINDOWS = [
    {"kernel_size": (2, 2), "stride": (2, 2)},
    {"kernel_size": (2, 2), "stride": (2, 2), "ceil_mode": True},
    {"kernel_size": (2, 2), "stride": (3, 3), "ceil_mode": True},
    {"kernel_size": (2, 2), "stride": (1, 1)},
    {"kernel_size": (2, 2), "stride": (2, 2), "padding": (1, 1)},
    {"kernel_size": (2, 2), "stride": (2, 2), "dilation": (2, 2)},
    {"kernel_size": (3, 3), "stride": (2, 2), "padding": (1, 1)},
    {"kernel_size": (3, 2), "stride": (1, 3), "padding": (1, 0), "dilation": (2, 1)},
    {"kernel_size": (7, 7), "stride": (7, 7)},
]


def run(algorithm: Any, x: Array, dy: Array, params: dict[str, Any]) -> tuple[Array, Array]:
    """(y, dx) written over NaN; the inputs must not change."""
    before = x.copy(), dy.copy()
    y, dx = poisoned(dy.shape, x.dtype), poisoned(x.shape, x.dtype)
    algorithm.forward(x, *pairs(params), y)
    algorithm.backward(x, dy, *pairs(params), dx)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(dy, before[1])
    return y, dx


def case(x_shape: tuple[int, ...], params: dict[str, Any], values: list[float], dtype: Any, seed: int) -> Any:
    """Input of shape (N, C, H, W), given as (N, H, W, C), of few different values, and small integers as gradient."""
    rng = np.random.default_rng(seed)
    n, c, h, w = x_shape
    x = rng.choice(np.array(values, dtype), (n, h, w, c))
    return x, rng.integers(-8, 9, output_shape(max_pool2d, x_shape, **params)).astype(dtype)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(geometry=pool_geometries(), dtype=dtypes, seed=seeds)
def test_equals_torch_exactly_with_ties(algorithm: Any, geometry: PoolGeometry, dtype: Any, seed: int) -> None:
    # Sums of small integers are exact, and three values in windows of up to 16 taps tie nearly always.
    assume(every_window_has_a_tap(geometry))
    x, dy = case(geometry.x_shape, geometry.params, [-1, 0, 2], dtype, seed)
    y, dx = run(algorithm, x, dy, geometry.params)
    wanted_y, wanted_dx = by_torch(max_pool2d, x, dy, **geometry.params)
    np.testing.assert_array_equal(y, wanted_y)
    np.testing.assert_array_equal(dx, wanted_dx)


@pytest.mark.parametrize("params", WINDOWS, ids=str)
@pytest.mark.parametrize("channels", [1, 3, 5, 8, 17, 33])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vector_equals_naive_for_all_tails(params: dict[str, Any], channels: int, dtype: Any) -> None:
    x, dy = case((2, channels, 7, 8), params, [-3, 0, 1, 2, 5], dtype, seed=channels)
    for found, wanted in zip(run(vector, x, dy, params), run(naive, x, dy, params), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(geometry=pool_geometries(), dtype=dtypes, seed=seeds)
def test_nan_and_infinities_as_in_torch(algorithm: Any, geometry: PoolGeometry, dtype: Any, seed: int) -> None:
    assume(every_window_has_a_tap(geometry))
    x, dy = case(geometry.x_shape, geometry.params, [np.nan, np.inf, -np.inf, -np.inf, 0, 1], dtype, seed)
    y, dx = run(algorithm, x, dy, geometry.params)
    wanted_y, wanted_dx = by_torch(max_pool2d, x, dy, **geometry.params)
    np.testing.assert_array_equal(y, wanted_y)
    np.testing.assert_array_equal(dx, wanted_dx)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("channels", [1, 8])
def test_a_window_outside_altogether(algorithm: Any, channels: int) -> None:
    """Pixels 0 and 1, taps -1 and 2: no tap is inside, the maximum of nothing is -inf and nobody gets the gradient."""
    params = {"kernel_size": (2, 2), "stride": (1, 1), "padding": (1, 1), "dilation": (3, 3)}
    y, dx = run(algorithm, np.ones((1, 2, 2, channels), np.float32), np.ones((1, 1, 1, channels), np.float32), params)
    assert np.all(y == -np.inf)
    assert np.all(dx == 0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_by_hand(algorithm: Any) -> None:
    image = [[1, 5, 2], [7, 5, 5], [0, 7, 7]]
    x = np.array(image, np.float32).reshape(1, 3, 3, 1) * np.ones(9, np.float32)
    dy = np.array([[1, 10], [100, 1000]], np.float32).reshape(1, 2, 2, 1) * np.ones(9, np.float32)
    y, dx = run(algorithm, x, dy, {"kernel_size": (2, 2), "stride": (1, 1)})
    # [1 5; 7 5] -> 7, [5 2; 5 5] -> the upper 5, [7 5; 0 7] -> the left 7, [5 5; 7 7] -> the left 7 of its window.
    np.testing.assert_array_equal(y[0, ..., 4], [[7, 5], [7, 7]])
    np.testing.assert_array_equal(dx[0, ..., 4], [[0, 10, 0], [101, 0, 0], [0, 1000, 0]])
    np.testing.assert_array_equal(dx, dx[..., :1] * np.ones(9))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_last_nan_of_a_window_gets_the_gradient(algorithm: Any) -> None:
    x = np.array([np.nan, 9, np.nan, 1], np.float32).reshape(1, 2, 2, 1) * np.ones(8, np.float32)
    y, dx = run(algorithm, x, np.ones((1, 1, 1, 8), np.float32), {"kernel_size": (2, 2), "stride": (2, 2)})
    assert np.isnan(y).all()
    np.testing.assert_array_equal(dx[0, ..., 0], [[0, 0], [1, 0]])


def test_float32_gradient_is_as_exact_as_torchs() -> None:
    """A pixel adds up at most four gradients here; the order is torch's, so the error is equal, whatever the sum."""
    rng = np.random.default_rng(0)
    params = {"kernel_size": (3, 3), "stride": (2, 2), "padding": (1, 1)}
    x = rng.standard_normal((2, 13, 13, 19)).astype(np.float32)
    dy = rng.standard_normal((2, 7, 7, 19)).astype(np.float32)
    _, found = run(vector, x, dy, params)
    _, theirs = by_torch(max_pool2d, x, dy, **params)
    _, truth = by_torch(max_pool2d, x.astype(np.float64), dy.astype(np.float64), **params)
    np.testing.assert_array_equal(found, theirs)
    np.testing.assert_allclose(found, truth, rtol=0, atol=4 * 6e-8 * np.abs(dy).max())  # three additions, rounded


@pytest.mark.parametrize("params", WINDOWS, ids=str)
def test_equal_bits_for_any_number_of_threads(params: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 8, 7, 12)).astype(np.float32)
    dy = rng.standard_normal(output_shape(max_pool2d, (5, 12, 8, 7), **params)).astype(np.float32)
    results = [run(vector, x, dy, params) for _ in every_thread_count()]
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)

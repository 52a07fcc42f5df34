from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scratchconv.kernels.avg_pool2d import naive, vector
from tests.kernels.pooling import Array, by_torch, output_shape, poisoned
from tests.kernels.threads import every_thread_count
from tests.strategies import PoolGeometry, dtypes, pool_geometries

ALGORITHMS = [naive, vector]
avg_pool2d = torch.nn.functional.avg_pool2d
seeds = st.integers(0, 2**16)
divisors = st.fixed_dictionaries(
    {"count_include_pad": st.booleans(), "divisor_override": st.sampled_from([None, None, 1, 3, -2])}
)

# Windows of every kind that the vector kernels treat apart, among them one longer and one shorter than four taps.
WINDOWS = [
    {"kernel_size": (2, 2), "stride": (2, 2)},
    {"kernel_size": (8, 8), "stride": (8, 8), "padding": (2, 2)},
    {"kernel_size": (2, 2), "stride": (3, 3), "ceil_mode": True},
    {"kernel_size": (3, 3), "stride": (2, 2), "padding": (1, 1), "count_include_pad": False},
    {"kernel_size": (3, 3), "stride": (2, 2), "padding": (1, 1), "ceil_mode": True},
    {"kernel_size": (1, 3), "stride": (1, 1), "padding": (0, 1), "divisor_override": 5},
]

# Float64 results differ by the order of at most 16 additions of numbers up to 8, each rounded to 1e-16 of up to 128.
EXACT = {"rtol": 0, "atol": 16 * 128 * 1.2e-16}


def arguments(params: dict[str, Any]) -> tuple[Any, ...]:
    """kernel, stride, padding, count_padding and divisor as the kernels take them."""
    count, divisor = params.get("count_include_pad", True), params.get("divisor_override") or 0
    return params["kernel_size"], params["stride"], params.get("padding", (0, 0)), count, divisor


def run(algorithm: Any, x: Array, dy: Array, params: dict[str, Any]) -> tuple[Array, Array]:
    """(y, dx) written over NaN; the inputs must not change."""
    before = x.copy(), dy.copy()
    y, dx = poisoned(dy.shape, x.dtype), poisoned(x.shape, x.dtype)
    algorithm.forward(x, *arguments(params), y)
    algorithm.backward(dy, *arguments(params), dx)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(dy, before[1])
    return y, dx


def integers(x_shape: tuple[int, ...], params: dict[str, Any], dtype: Any, seed: int) -> tuple[Array, Array]:
    """Input of shape (N, C, H, W), given as (N, H, W, C), and gradient, small whole numbers."""
    rng = np.random.default_rng(seed)
    n, c, h, w = x_shape
    y_shape = output_shape(avg_pool2d, x_shape, **params)
    return rng.integers(-8, 9, (n, h, w, c)).astype(dtype), rng.integers(-8, 9, y_shape).astype(dtype)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(geometry=pool_geometries(dilation=False), divisor=divisors, seed=seeds)
def test_equals_torch(algorithm: Any, geometry: PoolGeometry, divisor: dict[str, Any], seed: int) -> None:
    params = geometry.params | divisor
    x, dy = integers(geometry.x_shape, params, np.float64, seed)
    for found, wanted in zip(run(algorithm, x, dy, params), by_torch(avg_pool2d, x, dy, **params), strict=True):
        np.testing.assert_allclose(found, wanted, **EXACT)


@given(geometry=pool_geometries(dilation=False), divisor=divisors, dtype=dtypes, seed=seeds)
def test_integers_give_torchs_bits(geometry: PoolGeometry, divisor: dict[str, Any], dtype: Any, seed: int) -> None:
    # The sum of a window is exact and then divided once, as in torch; backward adds up quotients in torch's order.
    params = geometry.params | divisor
    x, dy = integers(geometry.x_shape, params, dtype, seed)
    for found, wanted in zip(run(vector, x, dy, params), by_torch(avg_pool2d, x, dy, **params), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("params", WINDOWS, ids=str)
@pytest.mark.parametrize("channels", [1, 3, 5, 8, 17, 33])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vector_equals_naive_for_all_tails(params: dict[str, Any], channels: int, dtype: Any) -> None:
    x, dy = integers((2, channels, 9, 8), params, dtype, seed=channels)
    y, dx = run(vector, x, dy, params)
    wanted_y, wanted_dx = run(naive, x, dy, params)
    # Exact sums, one division rounded once by both; dx adds up to four quotients, each rounded to half an epsilon of 8.
    np.testing.assert_array_equal(y, wanted_y)
    np.testing.assert_allclose(dx, wanted_dx, rtol=0, atol=8 * 8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("options", "y", "dx"),
    [
        ({}, [[0.25, 0.5 + 0.75], [1, 9]], [[0.25, 2.5, 2.5], [25, 250, 250], [25, 250, 250]]),
        ({"count_include_pad": False}, [[1, 2.5], [4, 9]], [[1, 5, 5], [50, 250, 250], [50, 250, 250]]),
        ({"divisor_override": 2}, [[0.5, 2.5], [4, 18]], [[0.5, 5, 5], [50, 500, 500], [50, 500, 500]]),
    ],
)
def test_by_hand(algorithm: Any, options: dict[str, Any], y: list[list[float]], dx: list[list[float]]) -> None:
    image = np.array([[1, 2, 3], [4, 5, 9], [4, 10, 12]], np.float32)
    x = image.reshape(1, 3, 3, 1) * np.ones(9, np.float32)
    dy = np.array([[1, 10], [100, 1000]], np.float32).reshape(1, 2, 2, 1) * np.ones(9, np.float32)
    params = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (1, 1)} | options
    found_y, found_dx = run(algorithm, x, dy, params)
    # Windows: [. .; . 1], [. .; 2 3], [. 4; . 4], [5 9; 10 12]
    np.testing.assert_array_equal(found_y[0, ..., 8], np.array(y) if options else [[0.25, 1.25], [2, 9]])
    np.testing.assert_array_equal(found_dx[0, ..., 8], dx)


def test_a_window_beyond_the_padding_counts_less() -> None:
    """With ceil_mode the last of the windows of 3 has one tap inside, one in the padding and one beyond."""
    x = np.ones((1, 1, 3, 1), np.float32)
    params = {"kernel_size": (1, 3), "stride": (1, 2), "padding": (0, 1), "ceil_mode": True}
    y, _ = run(vector, x, np.ones((1, 1, 2, 1), np.float32), params)
    np.testing.assert_allclose(y.ravel(), [2 / 3, 2 / 3], rtol=1e-7)  # one rounding
    y, _ = run(vector, x[:, :, :2], np.ones((1, 1, 2, 1), np.float32), params)
    np.testing.assert_allclose(y.ravel(), [2 / 3, 1 / 2], rtol=1e-7)


def test_float32_error_is_no_larger_than_torchs() -> None:
    """Four partial sums of a window of 64 make a quarter of the roundings of one, so ours may not exceed torch's."""
    rng = np.random.default_rng(0)
    params = {"kernel_size": (8, 8), "stride": (8, 8)}
    x = rng.standard_normal((8, 16, 16, 64)).astype(np.float32) + 1
    dy = rng.standard_normal((8, 2, 2, 64)).astype(np.float32)
    ours, theirs = run(vector, x, dy, params), by_torch(avg_pool2d, x, dy, **params)
    truth = by_torch(avg_pool2d, x.astype(np.float64), dy.astype(np.float64), **params)
    for a, b, t in zip(ours, theirs, truth, strict=True):
        assert np.square(a - t).mean() <= np.square(b - t).mean()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nan_and_infinity_stay_in_their_windows(algorithm: Any) -> None:
    rng = np.random.default_rng(0)
    params = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (1, 1)}
    x = rng.choice(
        np.array([0, 1, 2, 3, np.nan, np.inf], np.float32), (2, 9, 9, 11), p=[0.24, 0.24, 0.24, 0.24, 0.02, 0.02]
    )
    dy = rng.choice(np.array([1, 4, np.nan, -np.inf], np.float32), (2, 5, 5, 11))
    for found, wanted in zip(run(algorithm, x, dy, params), by_torch(avg_pool2d, x, dy, **params), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("params", WINDOWS, ids=str)
def test_equal_bits_for_any_number_of_threads(params: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 8, 7, 12)).astype(np.float32)
    dy = rng.standard_normal(output_shape(avg_pool2d, (5, 12, 8, 7), **params)).astype(np.float32)
    results = [run(vector, x, dy, params) for _ in every_thread_count()]
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)

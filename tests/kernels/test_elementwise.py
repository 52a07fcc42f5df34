"""Elementwise kernels: every algorithm against the contract, and the contract against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels.elementwise import naive, vector
from tests.kernels.threads import every_thread_count

UNARY = {
    naive.NEG: np.negative,
    naive.ABS: np.abs,
    naive.SQRT: np.sqrt,
    naive.RELU: lambda x: np.maximum(x, 0),
    naive.EXP: np.exp,
    naive.LOG: np.log,
}
BINARY = {
    naive.ADD: np.add,
    naive.SUB: np.subtract,
    naive.MUL: np.multiply,
    naive.DIV: np.divide,
    naive.MAXIMUM: np.maximum,
    naive.RELU_GRADIENT: lambda x, y: np.where(y > 0, x, 0),
    naive.ABS_GRADIENT: lambda x, y: x * np.sign(y),
    naive.SQRT_GRADIENT: lambda x, y: x / (2 * y),
    naive.SHARE: lambda x, y: np.where(x > y, 1.0, np.where(x == y, 0.5, 0.0)),
    naive.NEG_MUL: lambda x, y: -(x * y),
    naive.POW: np.power,
    naive.POW_SLOPE: lambda x, y: y * x ** (y - 1),
    naive.LOG_MUL: lambda x, y: y * np.log(x),
}
ALGORITHMS = (naive, vector)
# Each function is one to three operations of the dtype, or a C library function good to one or two units in the last
# place, whose argument may be off by one as well.
ULPS = 8


def numbers(shape: tuple[int, ...], dtype: type, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 3.0, size=shape).astype(dtype)


def table(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found, wanted, rtol=ULPS * np.finfo(found.dtype).eps, atol=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [1, 7, 8, 37])
def test_unary(algorithm: object, dtype: type, size: int) -> None:
    for number, function in UNARY.items():
        x = numbers((size,), dtype) * (
            1 if number in (naive.SQRT, naive.LOG) else (-1) ** np.arange(size).astype(dtype)
        )
        before, out = x.copy(), np.full(size, np.nan, dtype)
        algorithm.unary(number, x, out)
        close(out, function(x))
        assert np.array_equal(x, before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [1, 8, 37])
def test_binary_of_equal_layouts(algorithm: object, dtype: type, size: int) -> None:
    x, y = numbers((size,), dtype), numbers((size,), dtype, seed=1)
    x[::3] = y[::3]  # ties
    for number, function in BINARY.items():
        out = np.full(size, np.nan, dtype)
        algorithm.binary(number, x, y, table(size), table(1), table(1), out)
        close(out, function(x, y))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_binary_that_repeats(algorithm: object) -> None:
    x, y = numbers((3, 1, 19), np.float32), numbers((5, 1), np.float32, seed=1)
    for number, function in BINARY.items():
        out = np.full((3, 5, 19), np.nan, np.float32)
        algorithm.binary(
            number, x.reshape(-1), y.reshape(-1), table(3, 5, 19), table(19, 0, 1), table(0, 1, 0), out.reshape(-1)
        )
        close(out, function(x, y).astype(np.float32))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_case_by_hand(algorithm: object) -> None:
    x, y, out = np.array([1.0, -2.0, 3.0]), np.array([4.0, -2.0, -5.0]), np.empty(3)
    results = {
        naive.ADD: [5, -4, -2],
        naive.MAXIMUM: [4, -2, 3],
        naive.SHARE: [0, 0.5, 1],
        naive.RELU_GRADIENT: [1, 0, 0],
        naive.ABS_GRADIENT: [1, 2, -3],
        naive.NEG_MUL: [-4, -4, 15],
    }
    for number, wanted in results.items():
        algorithm.binary(number, x, y, table(3), table(1), table(1), out)
        assert out.tolist() == wanted


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_special_numbers(algorithm: object) -> None:
    nan, inf = np.nan, np.inf
    x, out = np.array([nan, inf, -inf, -0.0]), np.empty(4)
    algorithm.unary(naive.RELU, x, out)
    np.testing.assert_array_equal(out, [nan, inf, 0, 0])
    algorithm.unary(naive.NEG, x, out)
    assert np.signbit(out).tolist()[1:] == [True, False, False]
    algorithm.binary(naive.MAXIMUM, x, np.array([1.0, nan, 2.0, nan]), table(4), table(1), table(1), out)
    np.testing.assert_array_equal(out, [nan, nan, 2, nan])
    algorithm.binary(naive.POW_SLOPE, np.zeros(4), np.zeros(4), table(4), table(1), table(1), out)
    assert out.tolist() == [0, 0, 0, 0]


def test_equal_bits_for_any_number_of_threads() -> None:
    n = 5 * vector.SPAN + 13
    x, y = numbers((n,), np.float32), numbers((n,), np.float32, seed=1)
    results = []
    for _ in every_thread_count():
        first, second = np.empty_like(x), np.empty_like(x)
        vector.binary(naive.DIV, x, y, table(n), table(1), table(1), first)
        vector.unary(naive.SQRT, x, second)
        results.append((first, second))
    assert np.array_equal(results[0][0], x / y)
    assert all(np.array_equal(a, b) for pair in results[1:] for a, b in zip(results[0], pair, strict=True))

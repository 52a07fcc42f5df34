"""Optimizer kernels: the contract by hand, vectors against the contract, and many parameters in one call."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels.optimizer import naive, vector
from tests.kernels.threads import every_thread_count

ALGORITHMS = (naive, vector)
SGD_SETTINGS = [  # momentum, dampening, nesterov, weight decay, first
    (0.0, 0.0, False, 0.0, True),
    (0.0, 0.0, False, 0.1, False),
    (0.9, 0.0, False, 0.0, True),
    (0.9, 0.3, False, 0.1, False),
    (0.9, 0.0, True, 0.1, False),
]
# A handful of rounded operations on numbers near 1.
ULPS = 16


def numbers(count: int, dtype: type, rows: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.uniform(0.5, 1.5, size=count).astype(dtype) for _ in range(rows)]


def addresses(*arrays: np.ndarray) -> list[int]:
    return [arrays[0].size, *(vector.address(array) for array in arrays)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_sgd_by_hand(algorithm: object) -> None:
    grad, buffer, param = np.array([1.0]), np.array([10.0]), np.array([2.0])
    algorithm.sgd(grad, 0.5, 0.5, 0.25, False, 0.5, False, buffer, param)
    assert buffer[0] == 0.5 * 10 + 0.75 * (1 + 0.5 * 2)
    assert param[0] == 2 - 0.5 * buffer[0]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_first_step_of_adam_has_the_size_of_the_rate(algorithm: object) -> None:
    grad, param = np.array([1e-3, -5.0, 1e3]), np.zeros(3)
    algorithm.adam(grad, 1, 0.1, 0.9, 0.999, 0.0, 0.0, np.zeros(3), np.zeros(3), param)
    np.testing.assert_allclose(param, [-0.1, 0.1, -0.1], rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("settings", SGD_SETTINGS)
@pytest.mark.parametrize("size", [1, 8, 37])
def test_sgd_equals_the_contract(size: int, settings: tuple[object, ...], dtype: type) -> None:
    grad, buffer, param, _ = numbers(size, dtype)
    found, wanted = (buffer.copy(), param.copy()), (buffer.copy(), param.copy())
    vector.sgd(grad, 0.1, *settings, *found)
    naive.sgd(grad, 0.1, *settings, *wanted)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=ULPS * np.finfo(dtype).eps, atol=0)
    assert np.array_equal(grad, numbers(size, dtype)[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 8, 37])
def test_adam_equals_the_contract(size: int, dtype: type) -> None:
    grad, *state = numbers(size, dtype)
    found, wanted = [x.copy() for x in state], [x.copy() for x in state]
    for step in (1, 2, 1000):
        vector.adam(grad, step, 0.1, 0.9, 0.999, 1e-8, 0.01, *found)
        naive.adam(grad, step, 0.1, 0.9, 0.999, 1e-8, 0.01, *wanted)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=3 * ULPS * np.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_call_equals_a_call_for_each_parameter(dtype: type) -> None:
    sizes = (1, 5, 3 * vector.SPAN + 11, 64, vector.SPAN)
    for settings in SGD_SETTINGS:
        apart = [numbers(size, dtype) for size in sizes]
        together = [numbers(size, dtype) for size in sizes]
        for grad, buffer, param, _ in apart:
            vector.sgd(grad, 0.1, *settings, buffer, param)
        table = np.array([addresses(*row[:3]) for row in together], np.int64)
        vector.sgd_all(np.empty(0, dtype), table, 0.1, *settings)
        assert all(
            np.array_equal(a, b) for x, y in zip(apart, together, strict=True) for a, b in zip(x, y, strict=True)
        )
    for grad, *state in apart:
        vector.adam(grad, 3, 0.1, 0.9, 0.999, 1e-8, 0.01, *state)
    table = np.array([addresses(*row) for row in together], np.int64)
    vector.adam_all(np.empty(0, dtype), table, 3, 0.1, 0.9, 0.999, 1e-8, 0.01)
    assert all(np.array_equal(a, b) for x, y in zip(apart, together, strict=True) for a, b in zip(x, y, strict=True))


def test_equal_bits_for_any_number_of_threads() -> None:
    results = []
    for _ in every_thread_count():
        rows = [numbers(size, np.float32) for size in (100_000, 7)]
        table = np.array([addresses(*row) for row in rows], np.int64)
        vector.adam_all(np.empty(0, np.float32), table, 3, 0.1, 0.9, 0.999, 1e-8, 0.01)
        results.append([array for row in rows for array in row])
    assert all(np.array_equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchconv.kernels.batch_norm import naive, vector
from tests.kernels.pooling import Array, poisoned
from tests.kernels.threads import every_thread_count
from tests.strategies import dtypes

ALGORITHMS = [naive, vector]

# Rows and channels: less than a wide row, wide rows with a rest, several blocks with a rest, every kind of tail.
SHAPES = [(2, 1), (3, 17), (7, 33), (40, 3), (129, 5), (300, 8), (2500, 17), (5000, 3), (3001, 32), (1030, 64), (1, 4)]


def run(algorithm: Any, x: Array, dy: Array, channels: list[Array]) -> dict[str, Array]:
    """Everything the kernels compute, written over NaN; the inputs must not change."""
    inputs = [x, dy, *channels]
    before = [array.copy() for array in inputs]
    center, a, b, c = channels
    out = {name: poisoned(center.shape, np.float64) for name in ("mean", "var", "total", "moment")}
    out |= {name: poisoned(x.shape, x.dtype) for name in ("y", "dx")}
    algorithm.moments(x, out["mean"], out["var"])
    algorithm.normalize(x, center, a, b, out["y"])
    algorithm.gradient_sums(x, center, dy, out["total"], out["moment"])
    algorithm.input_gradient(x, center, dy, a, b, c, out["dx"])
    for array, old in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(array, old)
    return out


def arguments(
    shape: tuple[int, int], dtype: Any, seed: int = 0, offset: float = 0.0
) -> tuple[Array, Array, list[Array]]:
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal(shape) + offset).astype(dtype)
    dy = rng.standard_normal(shape).astype(dtype)
    return x, dy, [x.mean(axis=0, dtype=np.float64), *rng.uniform(-2, 2, (3, shape[1]))]


def truth(x: Array, dy: Array, channels: list[Array]) -> dict[str, Array]:
    """The formulas in NumPy, in float64."""
    x, dy = x.astype(np.float64), dy.astype(np.float64)
    center, a, b, c = channels
    d = x - center
    return {
        "mean": x.mean(axis=0),
        "var": x.var(axis=0),
        "total": dy.sum(axis=0),
        "moment": (dy * d).sum(axis=0),
        "y": d * a + b,
        "dx": a * dy + b * d + c,
    }


def assert_close(found: dict[str, Array], wanted: dict[str, Array], dtype: Any, rows: int) -> None:
    """Statistics within 4 roundings, elements within 8 roundings of their largest terms, sums within 4 of all terms."""
    eps = np.finfo(dtype).eps
    allowed = {"mean": 4 * eps, "var": 4 * eps * 8, "y": 8 * 8 * eps, "dx": 8 * 16 * eps}
    allowed |= dict.fromkeys(("total", "moment"), 4 * eps * rows)
    for name, value in found.items():
        np.testing.assert_allclose(value, wanted[name], rtol=0, atol=allowed[name], err_msg=name)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_the_formulas(algorithm: Any, shape: tuple[int, int], dtype: Any) -> None:
    x, dy, channels = arguments(shape, dtype)
    assert_close(run(algorithm, x, dy, channels), truth(x, dy, channels), dtype, shape[0])


@given(rows=st.integers(1, 400), channels=st.integers(1, 40), dtype=dtypes, seed=st.integers(0, 2**16))
def test_vector_equals_naive(rows: int, channels: int, dtype: Any, seed: int) -> None:
    inputs = arguments((rows, channels), dtype, seed)
    assert_close(run(vector, *inputs), run(naive, *inputs), dtype, rows)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_by_hand(algorithm: Any) -> None:
    x = np.array([[1, 10], [3, 10], [8, 40]], np.float32)
    dy = np.array([[1, 2], [0, 3], [-1, 1]], np.float32)
    center, a, b, c = (np.array(values, np.float64) for values in ([4, 20], [1, 2], [3, -1], [5, 6]))
    out = run(algorithm, x, dy, [center, a, b, c])
    np.testing.assert_array_equal(out["mean"], [4, 20])
    np.testing.assert_allclose(out["var"], [26 / 3, 200], rtol=1e-15)
    np.testing.assert_array_equal(out["y"], [[0, -21], [2, -21], [7, 39]])
    np.testing.assert_array_equal(out["total"], [0, 6])
    np.testing.assert_array_equal(out["moment"], [-3 - 4, -20 - 30 + 20])
    np.testing.assert_array_equal(out["dx"], [[1 - 9 + 5, 4 + 10 + 6], [-3 + 5, 6 + 10 + 6], [-1 + 12 + 5, 2 - 20 + 6]])


@pytest.mark.parametrize("shape", [(5000, 3), (1030, 64)], ids=str)
@pytest.mark.parametrize("offset", [1e3, 1e4, 1e6])
def test_large_offsets_cost_no_accuracy(shape: tuple[int, int], offset: float) -> None:
    """E[x²] - E[x]² in float32 has no correct digit from an offset of 3e3 on; here all errors stay roundings."""
    x, dy, channels = arguments(shape, np.float32, offset=offset)
    found, wanted = run(vector, x, dy, channels), truth(x, dy, channels)
    found["mean"], wanted["mean"] = found["mean"] - offset, wanted["mean"] - offset
    assert_close(found, wanted, np.float32, shape[0])


def test_any_order_of_rows_costs_at_most_three_bits() -> None:
    """The worst case of the derivation: the rows that give the center differ from all others of their block."""
    x = np.full((16384, 1), 1000.0, np.float32)
    x[: len(x) // vector.SAMPLE] = 0
    mean, var = np.empty(1), np.empty(1)
    vector.moments(x, mean, var)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(), rtol=1e-6)
    np.testing.assert_allclose(var, exact.var(), rtol=8 * 4 * 6e-8)  # factor 1/p = 8, on sums good to four roundings


def test_integers_give_exact_sums() -> None:
    """Sums of small whole numbers have no rounding, whatever their order; nor have quotients by a power of two."""
    rng = np.random.default_rng(0)
    x, dy = (rng.integers(-3, 4, (4096, 19)).astype(np.float32) for _ in range(2))
    mean, var, total, moment = (np.empty(19) for _ in range(4))
    vector.gradient_sums(x, np.full(19, 2.0), dy, total, moment)
    np.testing.assert_array_equal(total, dy.astype(np.int64).sum(axis=0))
    np.testing.assert_array_equal(moment, (dy.astype(np.int64) * (x.astype(np.int64) - 2)).sum(axis=0))
    vector.moments(np.ones_like(x), mean, var)
    np.testing.assert_array_equal(mean, 1)
    np.testing.assert_array_equal(var, 0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nan_stays_in_its_channel(algorithm: Any) -> None:
    x, dy, channels = arguments((70, 5), np.float32)
    x[66, 3] = np.nan
    channels[0][3] = 0
    out = run(algorithm, x, dy, channels)
    for name in ("mean", "var", "moment"):
        np.testing.assert_array_equal(np.isnan(out[name]), np.arange(5) == 3, err_msg=name)
    for name in ("y", "dx"):
        np.testing.assert_array_equal(np.isnan(out[name]), np.isnan(x), err_msg=name)


@pytest.mark.parametrize("shape", [(5000, 3), (3001, 32)], ids=str)
def test_equal_bits_for_any_number_of_threads(shape: tuple[int, int]) -> None:
    inputs = arguments(shape, np.float32)
    results = [run(vector, *inputs) for _ in every_thread_count()]
    for other in results[1:]:
        for name, value in other.items():
            np.testing.assert_array_equal(value, results[0][name], err_msg=name)

"""The linear layer's kernels: the contract by hand and against matrix products, tiles against the contract."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels.linear import naive, tiled
from tests.kernels.threads import every_thread_count

ALGORITHMS = (naive, tiled)


def arrays(n: int, c: int, f: int, dtype: type) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=size).astype(dtype) for size in ((n, c), (f, c), (f,), (n, f))]


def run(algorithm: object, x: np.ndarray, w: np.ndarray, b: np.ndarray, dy: np.ndarray) -> list[np.ndarray]:
    y, dx, dw, db = (np.full_like(like, np.nan) for like in (dy, x, w, b))
    algorithm.forward(x, w, b, y)
    algorithm.input_gradient(dy, w, dx)
    algorithm.weight_gradient(dy, x, dw)
    algorithm.bias_gradient(dy, db)
    return [y, dx, dw, db]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_case_by_hand(algorithm: object) -> None:
    x, w, b, dy = (
        np.array([[1.0, 2.0]]),
        np.array([[3.0, 4.0], [5.0, 6.0]]),
        np.array([10.0, 20.0]),
        np.array([[1.0, 2.0]]),
    )
    y, dx, dw, db = run(algorithm, x, w, b, dy)
    assert y.tolist() == [[21, 37]]
    assert dx.tolist() == [[13, 16]]
    assert dw.tolist() == [[1, 2], [2, 4]]
    assert db.tolist() == [1, 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "sizes",
    [(1, 1, 1), (100, 300, 10), (7, 70, 3), (7, 33, 19), (0, 5, 3), (0, 70, 3), (300, 20, 40), (290, 128, 9)],
)
def test_equals_matrix_products(algorithm: object, sizes: tuple[int, int, int], dtype: type) -> None:
    x, w, b, dy = given = arrays(*sizes, dtype)
    copies = [array.copy() for array in given]
    wide_x, wide_w, wide_b, wide_dy = (array.astype(np.float64) for array in given)
    wanted = wide_x @ wide_w.T + wide_b, wide_dy @ wide_w, wide_dy.T @ wide_x, wide_dy.sum(0)
    size_x, size_w, size_b, size_dy = (abs(array) for array in (wide_x, wide_w, wide_b, wide_dy))
    sizes_of_sums = size_x @ size_w.T + size_b, size_dy @ size_w, size_dy.T @ size_x, size_dy.sum(0)
    for found, truth, size in zip(run(algorithm, x, w, b, dy), wanted, sizes_of_sums, strict=True):
        # A sum of n products in any order is off by at most n * eps/2 * the sum of their sizes (Higham, Accuracy and
        # Stability, 3.5); n <= 301 here, and the truth in float64 is such a sum itself: twice that.
        assert (abs(found - truth) <= 301 * np.finfo(dtype).eps * size).all()
    assert all(np.array_equal(old, new) for old, new in zip(copies, given, strict=True))


@pytest.mark.parametrize("filters", [70, 10])
def test_equal_bits_for_any_number_of_threads(filters: int) -> None:
    given = arrays(500, 300, filters, np.float32)
    results = [run(tiled, *given) for _ in every_thread_count()]
    assert all(np.array_equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))

"""Matrix products: every algorithm against the contract, the contract against exact sums, and the order of sums."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scratchconv.kernels.matmul import naive, tiled
from tests.kernels.threads import every_thread_count

# (M, N, K): one number, tails of tiles in both directions, several blocks of the depth, of rows and of columns, no
# depth, few results of a long depth (cut into chunks).
SHAPES = [(1, 1, 1), (5, 7, 3), (6, 16, 4), (13, 33, 600), (300, 40, 20), (2, 300, 17), (4, 3, 0), (3, 5, 150_000)]


def operands(shape: tuple[int, int, int], transposed: tuple[bool, bool], dtype: type) -> tuple[np.ndarray, np.ndarray]:
    rows, columns, depth = shape
    rng = np.random.default_rng(0)
    a = rng.normal(size=(depth, rows) if transposed[0] else (rows, depth)).astype(dtype)
    b = rng.normal(size=(columns, depth) if transposed[1] else (depth, columns)).astype(dtype)
    return a, b


@pytest.mark.parametrize("transposed", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_tiled_equals_naive(shape: tuple[int, int, int], dtype: type, transposed: tuple[bool, bool]) -> None:
    a, b = operands(shape, transposed, dtype)
    bias = np.random.default_rng(1).normal(size=shape[1]).astype(dtype)
    copies = a.copy(), b.copy(), bias.copy()
    found, wanted = np.full(shape[:2], np.nan, dtype), np.full(shape[:2], np.nan, dtype)
    tiled.matmul_bias(a, b, *transposed, bias, found)
    naive.matmul_bias(a, b, *transposed, bias, wanted)
    # After k products of size 1 a sum is near sqrt(k), and rounding it errs by 0.29 eps sqrt(k) (r.m.s.): over a chain
    # of d products 0.2 eps d, over n chains sqrt(n) times that, and adding them up gives another 0.2 eps sqrt(d) n.
    # Six times the r.m.s. is never reached by chance; a product too many or too few is near 1.
    chain, chains = min(shape[2], tiled.DEPTH), max(1, shape[2] / tiled.DEPTH)
    rms = 0.2 * shape[2] * np.finfo(np.float64).eps / np.finfo(dtype).eps  # naive is one chain in float64
    rms += 1 + 0.2 * chain * math.sqrt(chains) + 0.2 * math.sqrt(chain) * chains
    tolerance = 6 * rms * np.finfo(dtype).eps
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)
    assert all(np.array_equal(x, y) for x, y in zip(copies, (a, b, bias), strict=True))
    tiled.matmul(a, b, *transposed, found)
    naive.matmul(a, b, *transposed, wanted)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("algorithm", [naive, tiled])
def test_a_case_by_hand(algorithm: object) -> None:
    a, b, out = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]]), np.empty((2, 2))
    algorithm.matmul(a, b, False, False, out)
    assert out.tolist() == [[19, 22], [43, 50]]
    algorithm.matmul(a, b, True, False, out)
    assert out.tolist() == [[26, 30], [38, 44]]
    algorithm.matmul_bias(a, b, False, True, np.array([100.0, 200.0]), out)
    assert out.tolist() == [[117, 223], [139, 253]]


@pytest.mark.parametrize("algorithm", [naive, tiled])
def test_whole_numbers_are_exact(algorithm: object) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-9, 10, size=shape).astype(np.float32) for shape in ((50, 70), (70, 45)))
    out = np.full((50, 45), np.nan, np.float32)
    algorithm.matmul(a, b, False, False, out)
    assert np.array_equal(out, a @ b)  # every partial sum is a whole number below 2**24


def test_float32_is_as_exact_as_numpy() -> None:
    a, b = operands((64, 48, 3000), (False, False), np.float32)
    out = np.empty((64, 48), np.float32)
    tiled.matmul(a, b, False, False, out)
    truth = a.astype(np.float64) @ b.astype(np.float64)
    ours, theirs = (np.sqrt(np.mean((result - truth) ** 2)) for result in (out, a @ b))
    assert ours < 1.5 * theirs  # a BLAS library sums in blocks as well: the same size of error, not the same numbers


def test_equal_bits_for_any_number_of_threads() -> None:
    for shape in ((600, 130, 300), (6, 7, 200_000)):
        a, b = operands(shape, (True, False), np.float32)
        results = []
        for _ in every_thread_count():
            out = np.empty(shape[:2], np.float32)
            tiled.matmul(a, b, True, False, out)
            results.append(out)
        assert all(np.array_equal(results[0], other) for other in results[1:])

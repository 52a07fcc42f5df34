"""BatchNorm as an affine map: any dtype and memory, with and without its parts; formulas are in tests/compiler."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.ops import affine_norm as op


def numbers(count: int, dtype: type = np.float64) -> list[np.ndarray]:
    return [np.random.default_rng(i).uniform(0.5, 2, 5).astype(dtype) for i in range(count)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("given", [True, False])
def test_scale_and_shift(given: bool, dtype: type) -> None:
    (mean, var), (gamma, beta) = numbers(2), numbers(2, dtype)
    values = (gamma, beta) if given else (None, None)
    scale, shift, centre, same, inverse_std, a, _ = op.map_of(mean, var, *values, 0.25, dtype, of_batch=True)
    # A few operations in float64, then one rounding to ``dtype``: two of its epsilons.
    close = {"rtol": 2 * np.finfo(dtype).eps, "atol": 2 * np.finfo(dtype).eps}
    wanted = (gamma if given else 1) / np.sqrt(var + 0.25)
    np.testing.assert_allclose(scale, wanted, **close)
    np.testing.assert_allclose(shift, (beta if given else 0) - mean * wanted, **close)
    # Float64 throughout: a root, a quotient and a product, each rounded once, in NumPy as here.
    np.testing.assert_allclose(inverse_std, 1 / np.sqrt(var + 0.25), rtol=1e-15)
    np.testing.assert_allclose(a, wanted, rtol=1e-15)
    assert same is mean and scale.dtype == shift.dtype == dtype and np.array_equal(centre, mean.astype(dtype))


def test_a_gamma_with_holes() -> None:
    mean, var, gamma, beta = numbers(4)
    holes = np.repeat(gamma, 2)[::2]
    maps = [op.map_of(mean, var, each, beta, 0, np.float64, of_batch=True) for each in (holes, gamma)]
    for found, wanted in zip(*maps, strict=True):
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_running_statistics_move_towards_those_of_a_batch(dtype: type) -> None:
    mean, var = numbers(2)
    plain, apart = numbers(2, dtype), [np.repeat(array, 3)[::3] for array in numbers(2, dtype)]
    before = numbers(2, dtype)
    wanted = 0.9 * before[0] + 0.1 * mean, 0.9 * before[1] + 0.1 * var * 20 / 19
    for running in (plain, apart):
        batches = np.array(7)
        op.move_running(*running, mean, var, 20, 0.1, batches)
        assert batches == 8
        for found, truth in zip(running, wanted, strict=True):
            # Float64, and one rounding to ``dtype``, perhaps the other way.
            np.testing.assert_allclose(found, truth, rtol=2 * np.finfo(dtype).eps)
    op.move_running(None, None, mean, var, 20, 0.1)


def test_constants_have_no_part_in_the_gradient() -> None:
    mean, var, sum_g, sum_gz = numbers(4)
    norm = op.map_of(mean, var, None, None, 0, np.float64, of_batch=False)
    found = op.gradient_of(norm, sum_g, sum_gz, 24, np.float64)
    assert not found.b.any() and not found.c.any()
    assert np.array_equal(found.db, norm.a * sum_g) and np.array_equal(found.dgamma, norm.inverse_std * sum_gz)

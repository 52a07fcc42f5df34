"""The ends of a chain of fused convolutions: an activation written out, and a whole gradient received."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels.conv2d import _ends, _finish, _source
from scratchconv.kernels.conv2d._finish import EXTRA, MASK, RECEIVE, SUMS
from scratchconv.kernels.conv2d._source import ACTIVATION, SKIP, STORE
from tests.kernels.threads import every_thread_count

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SHAPE = (3, 5, 4, 19)


def draw(dtype: type, *shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


@dtypes
@pytest.mark.parametrize("batch", [0, 3])
def test_an_activation_is_written_out(batch: int, dtype: type) -> None:
    shape = (batch, *SHAPE[1:])
    z, skip, (scale, shift) = draw(dtype, *shape), draw(dtype, *shape) + 1, draw(dtype, 2, SHAPE[3])
    out = np.full(shape, np.nan, dtype)
    _ends.read_all(_source.make_source(ACTIVATION | SKIP, z, skip, None, [scale, shift]), batch, out.reshape(-1))
    # Three operations on numbers near ten at most.
    np.testing.assert_allclose(out, np.maximum(0, z * scale + shift + skip), atol=32 * np.finfo(dtype).eps)


@dtypes
@pytest.mark.parametrize("batch", [0, 3])
def test_the_mean_of_an_activation(batch: int, dtype: type) -> None:
    shape = (batch, *SHAPE[1:])
    z, stored, (scale, shift) = draw(dtype, *shape), np.full(shape, np.nan, dtype), draw(dtype, 2, SHAPE[3])
    out = np.full((batch, SHAPE[3]), np.nan, dtype)
    _ends.mean_all(make_stored(z, stored, scale, shift), batch, out.reshape(-1))
    wanted = np.maximum(0, z * scale + shift)
    # Three operations on numbers near ten at most.
    np.testing.assert_allclose(stored, wanted, atol=32 * np.finfo(dtype).eps)
    # A mean of twenty numbers below ten, in two levels of sums.
    np.testing.assert_allclose(out, wanted.mean((1, 2)), atol=64 * np.finfo(dtype).eps)


def make_stored(z: np.ndarray, stored: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> _source.Source:
    return _source.make_source(ACTIVATION | STORE, z, None, stored, [scale, shift])


def received(dtype: type, shape: tuple[int, ...] = SHAPE, chain: int = 16) -> tuple[np.ndarray, np.ndarray]:
    dx, a, extra, z = (draw(dtype, *shape) + k for k in range(4))
    zeros = np.zeros(shape[3])
    kind = RECEIVE | MASK | EXTRA | SUMS
    finish = _finish.make_finish(
        kind, dx, shape[0], coefficients=[zeros, zeros, z[0, 0, 0], zeros], a=a, extra=extra, z=z
    )
    g = dx.copy()
    _ends.receive_all(finish, shape[0], shape[1] * shape[2], shape[3], g.reshape(-1))
    np.testing.assert_array_equal(g, np.where(a > 0, dx + extra, 0))
    sums = np.full((3, shape[3]), np.nan)
    _finish.merge_sums(finish.sums, finish.pitch, sums)
    for k, factor in ((0, 1.0), (1, z - z[0, 0, 0])):
        terms = (g * factor).astype(np.longdouble)
        # Each product is rounded once, and each of a ``chain`` of additions: ten for the twenty pixels of an image.
        bound = chain * np.finfo(dtype).eps * np.abs(terms).sum((0, 1, 2))
        assert np.all(np.abs(sums[k] - terms.sum((0, 1, 2))) <= bound)
    return g, sums


@dtypes
def test_a_whole_gradient_is_received(dtype: type) -> None:
    received(dtype)


@dtypes
def test_a_large_gradient_is_received_part_by_part(dtype: type) -> None:
    """Its memory is fetched ahead. Parts have sixteen pixels, an image 294 parts."""
    received(dtype, (3, 67, 70, 19), chain=8 + 294)


def test_equal_bits_for_any_number_of_threads() -> None:
    first = received(np.float32)
    for _ in every_thread_count():
        for found, wanted in zip(received(np.float32), first, strict=True):
            np.testing.assert_array_equal(found, wanted)

"""What becomes of results in cache: statistics, selection and received gradients, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels._jit import kernel
from scratchconv.kernels.conv2d import _block, _finish, _plan
from scratchconv.kernels.conv2d._finish import EXTRA, MASK, MASK_AFFINE, MOMENTS, RECEIVE, SECOND, SELECT, SUMS
from scratchconv.ops._memory import empty

CHANNELS = (1, 5, 16, 19)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@kernel
def finish_all(finish, g, results, y):
    """Results of all items lie in ``results`` as in y, three elements on; each item takes its own."""
    for item in range(_block.work_items(g)):
        _finish.finish_item(finish, g, item, results, 3 + _block.result_offset(g, item), y)


@kernel
def measure_all(finish, g, y, part):
    """Results lie in their place in y; ``part`` rows at a time."""
    for item in range(_block.work_items(g)):
        rows = _block.rows_of(g, item)
        for i in range(0, rows, part):
            at = _block.result_offset(g, item) + i * g.result_w * g.results
            _finish.measure(finish, g, item, i, min(part, rows - i), y, at, y)


def items_of(shape: tuple[int, ...], pixels: int) -> _block.Block:
    """Work items of at most about ``pixels`` results of a 1x1 convolution with results of this ``shape``."""
    row, column = (_plan.forward_direction(size, size, 1, 1, 0, 1) for size in shape[1:3])
    strip = _plan.cut(row, column, shape[0], shape[3], 4, _plan.Limits(1 << 30, pixels, pixels))
    return _block.describe(shape, shape, strip, row, column)


# Batch, height, width; pixels of a work item: strips with a last shorter one, joined images with a last lonely one.
CUTS = (((3, 7, 5), 14), ((5, 3, 4), 30), ((1, 1, 1), 1), ((2, 4, 6), 1000), ((0, 4, 6), 1000))


def finished(y: np.ndarray, kind: int, pixels: int, **arrays: object) -> _finish.Finish:
    g = items_of(y.shape, pixels)
    finish = _finish.make_finish(kind, y, _block.count_items(g), **arrays)
    finish_in(finish, g, y)
    return finish


def finish_in(finish: _finish.Finish, g: _block.Block, y: np.ndarray) -> None:
    """Let ``y`` hold the results, in other memory, and receive what becomes of them."""
    results = np.concatenate([np.full(3, np.nan, y.dtype), y.reshape(-1), np.full(3, np.nan, y.dtype)])
    y[...] = np.nan
    finish_all(finish, g, results, y.reshape(-1))


def moments(y: np.ndarray, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    finish = finished(y, MOMENTS, pixels)
    mean, var = np.full(y.shape[3], np.nan), np.full(y.shape[3], np.nan)
    _finish.merge_moments(finish.sums, finish.pitch, mean, var)
    return mean, var


@dtypes
@pytest.mark.parametrize("offset", [0, 1e4])
@pytest.mark.parametrize("channels", CHANNELS)
def test_moments_are_those_of_float64(channels: int, offset: float, dtype: type) -> None:
    """Two passes an item and a merge in float64 keep a variance near one beside a mean of 1e4.

    An item's mean is rounded: it errs by an epsilon of the offset, d, about 1e-3 in float32. So does the merged mean.
    The squares of an item are taken around its rounded mean, which adds d² only; but the squares of the differences
    between items' means, which are below one, err by 2 d at most. A sum of squares without the means taken away would
    err by an epsilon of 1e8.
    """
    eps = float(np.finfo(dtype).eps)
    for (batch, *size), pixels in CUTS[:-1]:
        y = (offset + np.random.default_rng(0).standard_normal((batch, *size, channels))).astype(dtype)
        mean, var = moments(y, pixels)
        exact = y.astype(np.float64)
        np.testing.assert_allclose(mean, exact.mean((0, 1, 2)), rtol=0, atol=4 * eps * (1 + offset))
        np.testing.assert_allclose(var, exact.var((0, 1, 2)), rtol=16 * eps, atol=2 * eps * (1 + offset))


def test_moments_of_nothing_are_zero() -> None:
    mean, var = moments(np.zeros((0, 4, 6, 5), np.float32), 1000)
    np.testing.assert_array_equal((mean, var), np.zeros((2, 5)))


@dtypes
@pytest.mark.parametrize("channels", CHANNELS)
def test_selection_is_the_largest_or_the_smallest_of_each_window(channels: int, dtype: type) -> None:
    rng = np.random.default_rng(0)
    slope = np.arange(channels) % 3 - 1.0
    for (batch, high, wide), pixels in CUTS:
        y = rng.integers(-2, 3, (batch, high, wide, channels)).astype(dtype)  # full of ties
        selected = np.full((batch, high // 2, wide // 2, channels), np.nan, dtype)
        before = y.copy()
        finished(y, SELECT | MOMENTS, pixels, coefficients=[slope], selected=selected)
        windows = y[:, : high // 2 * 2, : wide // 2 * 2].reshape(batch, high // 2, 2, wide // 2, 2, channels)
        np.testing.assert_array_equal(selected, np.where(slope >= 0, windows.max((2, 4)), windows.min((2, 4))))
        np.testing.assert_array_equal(y, before)


@dtypes
@pytest.mark.parametrize("pixels", [1000, 28])  # whole images; strips of four rows, the last of three
def test_an_image_may_be_measured_in_parts(pixels: int, dtype: type) -> None:
    rng = np.random.default_rng(0)
    y = (10 + rng.standard_normal((3, 11, 7, 19))).astype(dtype)
    y[:, :2] += 100  # the first part is unlike the others
    g, slope = items_of(y.shape, pixels)._replace(images=1), np.arange(19) % 2 - 0.5
    arrays = [np.full((3, 5, 3, 19), np.nan, dtype) for _ in range(2)]
    kind, items = SELECT | MOMENTS, _block.count_items(g)
    whole, parts = (_finish.make_finish(kind, y, items, [slope], selected=array) for array in arrays)
    finish_all(whole, g, np.concatenate([np.zeros(3, dtype), y.reshape(-1)]), y.reshape(-1))
    measure_all(parts, g, y.reshape(-1), 2)
    np.testing.assert_array_equal(*arrays)
    (mean, var), (mean_of_parts, var_of_parts) = np.full((2, 2, 19), np.nan)
    _finish.merge_moments(whole.sums, whole.pitch, mean, var)
    _finish.merge_moments(parts.sums, parts.pitch, mean_of_parts, var_of_parts)
    # The mean of up to 77 numbers near 30 is rounded a few times; the variance, near 1500, has no part of that mean.
    np.testing.assert_allclose(mean_of_parts, mean, rtol=8 * np.finfo(dtype).eps)
    np.testing.assert_allclose(var_of_parts, var, rtol=16 * np.finfo(dtype).eps)


@dtypes
@pytest.mark.parametrize("mask", [0, MASK, MASK_AFFINE])
@pytest.mark.parametrize("extra", [0, EXTRA])
@pytest.mark.parametrize("sums", [0, SUMS, SUMS | SECOND])
def test_received_gradients(mask: int, extra: int, sums: int, dtype: type) -> None:
    rng = np.random.default_rng(0)
    for ((batch, *size), pixels), channels in zip(CUTS, (5, 19, 3, 16, 2), strict=True):
        shape = (batch, *size, channels)
        dx, z, z2, more = (rng.standard_normal(shape).astype(dtype) for _ in range(4))
        a = np.maximum(0, rng.standard_normal(shape)).astype(dtype)
        scale, shift, mean, mean2 = rng.standard_normal((4, channels)).astype(dtype)
        y = dx.copy()
        finish = finished(
            y,
            RECEIVE | mask | extra | sums,
            pixels,
            coefficients=[scale, shift, mean, mean2],
            z=z,
            a=a,
            extra=more,
            z2=z2,
        )
        positive = {0: True, MASK: a > 0, MASK_AFFINE: z.astype(np.float64) * scale + shift > 0}[mask]
        g = np.where(positive, dx + more if extra else dx, 0)
        np.testing.assert_array_equal(y, g)
        total = np.full((3, channels), np.nan)
        _finish.merge_sums(finish.sums, finish.pitch, total)
        pairs = [(0, 1.0), *([(1, z - mean)] if sums else []), *([(2, z2 - mean2)] if sums & SECOND else [])]
        for k, factor in pairs:
            terms = (g * factor).astype(np.float64)
            # A work item adds up to 48 products in its own order: one epsilon of Σ|terms| a dozen of them, at most.
            bound = 16 * np.finfo(dtype).eps * (np.abs(terms).sum((0, 1, 2)) + 1)
            assert np.all(np.abs(total[k] - terms.sum((0, 1, 2))) <= bound)


def test_results_with_nothing_to_do_to_them_are_carried_to_their_place() -> None:
    y = np.ones((1, 2, 2, 3), np.float32)
    finish_in(_finish.nothing(y), items_of(y.shape, 1), y)
    assert np.all(y == 1)


@pytest.mark.parametrize("kind", [_finish.NOTHING, MOMENTS, RECEIVE])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_streamed_results_are_the_same(kind: int, dtype: type) -> None:
    y = empty((2, 4, 6, 32), dtype)
    y[...] = wanted = np.random.default_rng(0).standard_normal(y.shape).astype(dtype)
    finish = finished(y, kind, 14, coefficients=[np.zeros(32)] * 4, far=0)
    assert finish.streams
    np.testing.assert_array_equal(y, wanted)


def test_only_whole_vectors_that_begin_on_cache_lines_are_streamed() -> None:
    y = empty((1, 64, 2, 16), np.float32)
    assert _finish.make_finish(MOMENTS, y, 1, far=y.nbytes - 1).streams
    assert not _finish.make_finish(MOMENTS, y, 1, far=y.nbytes).streams
    assert not _finish.make_finish(MOMENTS, y[:, 1:].reshape(-1)[1:-31].reshape(1, 62, 2, 16), 1, far=0).streams
    assert not _finish.make_finish(MOMENTS, y.reshape(1, 64, 4, 8)[..., :7].copy(), 1, far=0).streams


def test_sums_are_merged_in_float64() -> None:
    eps = float(np.finfo(np.float32).eps)
    sums = np.zeros((4, 3, 16), np.float32)
    sums[:, 0, 0] = 1, eps / 4, eps / 4, eps / 4
    out = np.full((3, 1), np.nan)
    _finish.merge_sums(sums.reshape(-1), 16, out)
    assert out[0, 0] == 1 + 3 * (eps / 4)

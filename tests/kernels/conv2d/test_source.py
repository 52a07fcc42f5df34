"""What convolutions read: each kind of source, row by row, against its formula in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv import simd
from scratchconv.kernels._jit import kernel
from scratchconv.kernels.conv2d import _source
from scratchconv.kernels.conv2d._source import ACTIVATION, GRADIENT, POOLED, SKIP, SKIP_AFFINE, STORE, Source
from scratchconv.ops._memory import empty

GUARD = -77.0
CHANNELS = (1, 5, 16, 19)  # less than a vector, a whole one, one and a tail; float64 has two and a tail

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@kernel
def read(source, image, row, first, n, target, o, pitch):
    _source.read_row(source, image, row, first, n, target, o, pitch)


@kernel
def read_many(source, image, row, rows, first, n, target, o, line, pitch):
    _source.read_rows(source, image, row, rows, first, n, target, o, line, pitch)


def rounding(dtype: type) -> float:
    """A formula has at most four operations on numbers near one, the kernels fuse some of them."""
    return 16 * float(np.finfo(dtype).eps)


def draw(dtype: type, *shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def rows_of(source: Source, shape: tuple[int, ...], gap: int) -> np.ndarray:
    """All rows of a source, each read in two pieces to pixels that are ``gap`` apart; and as blocks."""
    batch, height, width, channels = shape
    pitch = channels + gap
    read_so_far = np.full((batch, height, width, channels), np.nan, source.first.dtype)
    for image in range(batch):
        for row in range(height):
            target = np.full(3 + width * pitch + 3, GUARD, source.first.dtype)
            split = width // 2
            read(source, image, row, 0, split, target, 3, pitch)
            read(source, image, row, split, width - split, target, 3 + split * pitch, pitch)
            pixels = target[3 : 3 + width * pitch].reshape(width, pitch)
            read_so_far[image, row] = pixels[:, :channels]
            pixels[:, :channels] = GUARD
            assert np.all(target == GUARD), "written beside the channels"
    assert_blocks_are_rows(source, read_so_far, gap)
    return read_so_far


def assert_blocks_are_rows(source: Source, wanted: np.ndarray, gap: int) -> None:
    """Any rectangle of an image that is read at once is the same rectangle of its rows, bit by bit."""
    _, height, width, channels = wanted.shape
    pitch = channels + gap
    line = width * pitch + 5
    for top, rows in ((0, height), (1, height - 1), (0, height - 1), (height - 1, 1)):
        for left, n in ((0, width), (1, width - 1), (0, width - 1), (1, 1)):
            target = np.full(3 + height * line, GUARD, wanted.dtype)
            read_many(source, 1, top, rows, left, n, target, 3, line, pitch)
            lines = target[3:].reshape(height, line)
            pixels = lines[:rows, : n * pitch].reshape(rows, n, pitch)
            np.testing.assert_array_equal(pixels[..., :channels], wanted[1, top : top + rows, left : left + n])
            pixels[..., :channels] = GUARD
            assert np.all(target == GUARD), "written beside the channels"


@dtypes
@pytest.mark.parametrize("channels", CHANNELS)
def test_plain(channels: int, dtype: type) -> None:
    x = draw(dtype, 2, 3, 4, channels)
    for gap in (0, 3):
        np.testing.assert_array_equal(rows_of(_source.plain(x), x.shape, gap), x)


@dtypes
@pytest.mark.parametrize("store", [0, STORE])
@pytest.mark.parametrize("skip", [0, SKIP, SKIP_AFFINE])
@pytest.mark.parametrize("channels", CHANNELS)
def test_activations(channels: int, skip: int, store: int, dtype: type) -> None:
    shape = (2, 3, 5, channels)
    z, other = draw(dtype, *shape), draw(dtype, *shape)[::-1].copy()
    scale, shift, skip_scale, skip_shift = draw(dtype, 4, channels)
    out = np.full(shape, np.nan, dtype) if store else None
    source = _source.make_source(
        ACTIVATION | skip | store, z, other if skip else None, out, [scale, shift, skip_scale, skip_shift]
    )
    added = {0: 0, SKIP: other, SKIP_AFFINE: other * skip_scale + skip_shift}[skip]
    found = rows_of(source, shape, 2)
    np.testing.assert_allclose(found, np.maximum(0, z * scale + shift + added), atol=rounding(dtype) * 8)
    if out is not None:
        np.testing.assert_array_equal(out, found)


@dtypes
def test_a_stored_activation_may_go_past_the_caches(dtype: type) -> None:
    z, out = draw(dtype, 2, 3, 5, 32), empty((2, 3, 5, 32), dtype)
    rows = [np.ones(32), np.zeros(32)]
    source = _source.make_source(ACTIVATION | STORE, z, None, out, rows, far=0)
    assert source.streams
    found = rows_of(source, z.shape, 1)
    np.testing.assert_array_equal(out, found)
    assert not _source.make_source(ACTIVATION | STORE, z, None, out, rows, far=out.nbytes).streams
    assert not _source.make_source(ACTIVATION, z, None, None, rows, far=0).streams


def test_results_stay_in_caches_that_hold_all_of_them() -> None:
    last = simd.cache_bytes(3)
    assert _source.far_for(last // 4) > last
    assert _source.far_for(last) == simd.cache_bytes(2)


@dtypes
def test_a_stored_activation_covers_the_pixels_that_were_read(dtype: type) -> None:
    z, out = draw(dtype, 1, 2, 5, 3), np.full((1, 2, 5, 3), GUARD, dtype)
    source = _source.make_source(ACTIVATION | STORE, z, None, out, [np.ones(3), np.zeros(3)])
    read(source, 0, 1, 1, 3, np.zeros(9, dtype), 0, 3)
    np.testing.assert_array_equal(out[0, 1, 1:4], np.maximum(0, z[0, 1, 1:4]))
    out[0, 1, 1:4] = GUARD
    assert np.all(out == GUARD)


@dtypes
@pytest.mark.parametrize("channels", CHANNELS)
def test_gradients_behind_a_batch_norm(channels: int, dtype: type) -> None:
    shape = (2, 3, 4, channels)
    g, y = draw(dtype, *shape), draw(dtype, *shape)[::-1].copy()
    a, mean, b, c = draw(dtype, 4, channels)
    found = rows_of(_source.make_source(GRADIENT, g, y, None, [a, mean, b, c]), shape, 1)
    np.testing.assert_allclose(found, a * g + b * (y - mean) + c, atol=rounding(dtype) * 8)


def first_of_each_window(y: np.ndarray, selected: np.ndarray) -> np.ndarray:
    """Whether a pixel is the first one, row by row, of its 2x2 window that equals the selected value."""
    first = np.zeros(y.shape, bool)
    for (n, i, j, c), value in np.ndenumerate(selected):
        window = y[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c].ravel()
        at = int(np.flatnonzero(window == value)[0])
        first[n, 2 * i + at // 2, 2 * j + at % 2, c] = True
    return first


@dtypes
@pytest.mark.parametrize("size", [(4, 6), (5, 7), (2, 3), (1, 4)])
@pytest.mark.parametrize("channels", [1, 5, 19])
def test_gradients_behind_a_pooling(channels: int, size: tuple[int, int], dtype: type) -> None:
    """Small whole numbers tie often; a row or column that fills no window gets none of g."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, (2, *size, channels)).astype(dtype)
    high, wide = size[0] // 2, size[1] // 2
    selected = y[:, : 2 * high, : 2 * wide].reshape(2, high, 2, wide, 2, channels).max((2, 4))
    g = draw(dtype, 2, high, wide, channels)
    a, mean, b, c = draw(dtype, 4, channels)
    spread = np.zeros_like(y)
    spread[:, : 2 * high, : 2 * wide] = g.repeat(2, 1).repeat(2, 2)
    spread = np.where(first_of_each_window(y, selected), spread, 0)
    source = _source.make_source(GRADIENT | POOLED, g, y, selected, [a, mean, b, c])
    assert (source.rows, source.columns, source.channels) == (*size, channels)
    found = rows_of(source, y.shape, 0)
    np.testing.assert_allclose(found, a * spread + b * (y - mean) + c, atol=rounding(dtype) * 8)


def test_coefficients_lie_in_rows_of_whole_vectors() -> None:
    source = _source.make_source(
        ACTIVATION, np.zeros((1, 1, 1, 17), np.float32), None, None, [np.ones(17), np.zeros(17)]
    )
    assert source.pitch % 16 == 0
    assert source.pitch >= 17
    np.testing.assert_array_equal(source.coefficients.reshape(2, -1)[:, 17:], 0)
    assert source.second.size == source.third.size == 0


@dtypes
def test_coefficients_that_are_rows_of_a_table_are_read_in_place(dtype: type) -> None:
    whole = _source.table(3, 5, dtype)
    whole[:, :5] = np.arange(15).reshape(3, 5)
    first, second, third = whole[:, :5]
    for values in ([first, second, third], [first, second], [None, second]):
        rows, pitch = _source.coefficient_rows(values, 5, dtype)
        assert pitch == 16 and np.shares_memory(rows, whole)
    # In another order, of another table or of another dtype they are copied.
    for values in ([second, first], [first, second.copy()], [first, first], [first, second, None, third]):
        rows, pitch = _source.coefficient_rows(values, 5, dtype)
        assert not np.shares_memory(rows, whole)
        for row, value in zip(rows.reshape(-1, pitch), values, strict=True):
            np.testing.assert_array_equal(row[:5], 0 if value is None else value)
    other = np.float64 if dtype == np.float32 else np.float32
    assert not np.shares_memory(_source.coefficient_rows([first, second], 5, other)[0], whole)

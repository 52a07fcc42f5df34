"""A linear layer on an activation in the making: equal, bit by bit, to the passes one after the other."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels.conv2d import _ends, _finish
from scratchconv.kernels.conv2d._finish import MASK_AFFINE, RECEIVE, SUMS
from scratchconv.kernels.conv2d._source import ACTIVATION, make_source
from scratchconv.kernels.linear import _on_pixels, tiled
from tests.kernels.threads import every_thread_count

SHAPE, FILTERS = (11, 3, 5, 19), 7  # images for two tasks, channels that fill no vectors


def draw(dtype: type, *shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def both_ways(batch: int, dtype: type, fused: bool) -> list[np.ndarray]:
    """The activation, y, the gradient before the ReLU and its sums."""
    shape, pixels, channels = (batch, *SHAPE[1:]), SHAPE[1] * SHAPE[2], SHAPE[3]
    z, (scale, shift, mean), b = draw(dtype, *shape), draw(dtype, 3, channels), draw(dtype, FILTERS)
    w, dy = draw(dtype, FILTERS, pixels * channels), draw(dtype, batch, FILTERS)
    x, g = (np.full((batch, pixels * channels), np.nan, dtype) for _ in range(2))
    y, sums = np.full((batch, FILTERS), np.nan, dtype), np.full((3, channels), np.nan)
    source = make_source(ACTIVATION, z, None, None, [scale, shift])
    finish = _finish.make_finish(RECEIVE | MASK_AFFINE | SUMS, z, batch, coefficients=[scale, shift, mean, None], z=z)
    assert tiled.has_few_filters(w)
    if fused:
        _on_pixels.forward(source, w, b, x, y)
        _on_pixels.input_gradient(dy, w, finish, g.reshape(shape))
    else:
        _ends.read_all(source, batch, x.reshape(-1))
        tiled.forward(x, w, b, y)
        tiled.input_gradient(dy, w, g)
        _ends.receive_all(finish, batch, pixels, channels, g.reshape(-1))
    _finish.merge_sums(finish.sums, finish.pitch, sums)
    return [x, y, g, sums]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [0, 1, SHAPE[0]])
def test_equals_one_pass_after_the_other(batch: int, dtype: type) -> None:
    for found, wanted in zip(both_ways(batch, dtype, True), both_ways(batch, dtype, False), strict=True):
        np.testing.assert_array_equal(found, wanted)
        assert not np.isnan(found).any()


def test_equal_bits_for_any_number_of_threads() -> None:
    first = both_ways(SHAPE[0], np.float32, True)
    for _ in every_thread_count():
        for found, wanted in zip(both_ways(SHAPE[0], np.float32, True), first, strict=True):
            np.testing.assert_array_equal(found, wanted)

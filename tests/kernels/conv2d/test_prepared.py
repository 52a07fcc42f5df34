"""A prepared convolution computes what the algorithm itself does, for any source like the one it was made for."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from scratchconv.kernels.conv2d import _finish, direct, rows, winograd
from scratchconv.kernels.conv2d._source import ACTIVATION, make_source, plain

GEOMETRY = (1, 1), (1, 1), (1, 1), 1


def draw(dtype: type, *shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("algorithm", "stride"), [(direct, 1), (rows, 1), (winograd, 1), (winograd, 2)])
def test_as_the_algorithm(algorithm: Any, stride: int, dtype: type) -> None:
    w, b, y = draw(dtype, 3, 3, 4, 5), draw(dtype, 5), np.full((2, 6, 16, 5), np.nan, dtype)
    geometry, size = ((stride, stride), *GEOMETRY[1:]), (2, stride * 6, stride * 16, 4)
    xs = [draw(dtype, *size), draw(dtype, *size) * 2]
    selected, wanted = np.empty((2, 3, 8, 5), dtype), np.empty((2, 3, 8, 5), dtype)
    finishing = functools.partial(_finish.make_finish, _finish.SELECT, y, coefficients=[np.ones(5)])
    for make in (plain, lambda x: make_source(ACTIVATION, x, None, None, [np.full(4, 0.5), np.ones(4)])):
        prepared = algorithm.prepare_forward(make(xs[0]), w, b, *geometry, y)
        finish = prepared.finish(y, functools.partial(finishing, selected=selected))
        for x in (*xs, xs[0]):
            expected = np.full_like(y, np.nan)
            algorithm.run_forward(make(x), w, b, *geometry, expected, functools.partial(finishing, selected=wanted))
            y.fill(np.nan)
            prepared.launch(make(x), y, finish)
            assert np.array_equal(y, expected)
            largest = expected.reshape(2, 3, 2, 8, 2, 5).max((2, 4))
            assert np.array_equal(selected, largest)

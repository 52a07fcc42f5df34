"""Copies and fills by whole vectors."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv import simd
from scratchconv.kernels import _copy
from scratchconv.kernels._jit import kernel


@kernel
def copy(source, i, target, o, n):
    _copy.copy(source, i, target, o, n)


@kernel
def fill_zero(target, o, n):
    _copy.fill_zero(target, o, n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exactly_n_elements_are_written(dtype: type) -> None:
    lanes = simd.lanes(dtype)
    source = np.arange(1, 201, dtype=dtype)
    for n in (0, 1, lanes - 1, lanes, lanes + 1, 2 * lanes, 3 * lanes + 2):
        for i, o in ((0, 0), (3, 5)):
            copied, filled = np.full(200, -77, dtype), np.full(200, -77, dtype)
            copy(source, i, copied, o, n)
            fill_zero(filled, o, n)
            np.testing.assert_array_equal(copied, [*[-77] * o, *source[i : i + n], *[-77] * (200 - o - n)])
            np.testing.assert_array_equal(filled, [*[-77] * o, *[0] * n, *[-77] * (200 - o - n)])

"""Hints to caches and compiler change no result; see test_vector.py."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv import simd
from scratchconv.kernels._jit import kernel
from tests.simd.test_vector import DTYPES, GUARD, forms


@kernel
def streamed_copy(x, y):
    for i in range(0, x.size, simd.lanes_of(x)):
        simd.stream(y, i, simd.load(x, i))
    simd.settle()


@pytest.mark.parametrize("dtype", DTYPES)
def test_streamed_vectors_arrive(dtype: type) -> None:
    """As other stores do; that they go past the caches changes no result."""
    x = np.arange(64, dtype=dtype)
    for program in forms(streamed_copy):
        raw = np.full(64 + 16, GUARD, dtype)
        start = -(raw.ctypes.data // raw.itemsize) % (64 // raw.itemsize)
        program(x, raw[start : start + 64])
        np.testing.assert_array_equal(raw[start : start + 64], x)
        assert np.all(np.delete(raw, np.s_[start : start + 64]) == GUARD)

"""Transposing in registers: the compiled form, the plain-Python form and NumPy agree."""

from __future__ import annotations

import numpy as np
import pytest
from numba.core.errors import TypingError

from scratchconv import simd
from scratchconv.kernels._jit import kernel
from tests.simd.test_vector import DTYPES, forms


@kernel
def transpose_square(shape, x, y):
    offsets = simd.grid_offsets(shape, 1, shape.lanes, 0)
    simd.tile_store(simd.transpose(simd.tile_load(shape, x, 0, offsets)), y, 0, offsets)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_become_lanes(dtype: type) -> None:
    lanes = simd.lanes(dtype)
    x = np.arange(lanes * lanes, dtype=dtype).reshape(lanes, lanes)
    for program in forms(transpose_square):
        y = np.full_like(x, -1)
        program(simd.TileShape(lanes, 1, dtype), x, y)
        np.testing.assert_array_equal(y, x.T)


def test_only_squares_are_transposed() -> None:
    if not hasattr(transpose_square, "py_func"):
        pytest.skip("plain Python: NumPy decides")
    shape = simd.TileShape(simd.lanes(np.float32), 2, np.float32)
    x = np.zeros(4 * simd.lanes(np.float32) ** 2, np.float32)
    with pytest.raises(TypingError):
        transpose_square(shape, x, x.copy())

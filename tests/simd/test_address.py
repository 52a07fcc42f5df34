"""Arrays found by their address."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv import simd
from scratchconv.kernels._jit import kernel
from tests.simd.test_vector import DTYPES, forms


@kernel
def add_over_many(like, addresses, sizes, out):
    """Adds one to each array and says how large it is."""
    for k in range(addresses.size):
        array = simd.memory_at(like, addresses[k], sizes[k])
        out[k] = array.size
        for i in range(array.size):
            array[i] += 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_memory_itself_is_read_and_written(dtype: type) -> None:
    for program in forms(add_over_many):
        arrays = [np.arange(n, dtype=dtype) for n in (3, 0, 20)]
        pointers = np.array([array.ctypes.data for array in arrays])
        sizes, out = np.array([3, 0, 18]), np.full(3, -1)
        program(np.zeros(0, dtype), pointers, sizes, out)
        np.testing.assert_array_equal(out, sizes)
        for array, size in zip(arrays, sizes, strict=True):
            np.testing.assert_array_equal(array, np.arange(array.size) + (np.arange(array.size) < size))


@kernel
def vectors_at(like, address, size, out):
    array = simd.memory_at(like, address, size)
    simd.store(out, 0, simd.load(array, 2))


@pytest.mark.parametrize("dtype", DTYPES)
def test_vectors_are_loaded_from_it(dtype: type) -> None:
    x, lanes = np.arange(40, dtype=dtype), simd.lanes(dtype)
    for program in forms(vectors_at):
        out = np.full(lanes, np.nan, dtype)
        program(x[:0].copy(), x.ctypes.data, x.size, out)
        np.testing.assert_array_equal(out, x[2 : 2 + lanes])


@kernel
def address(x):
    return simd.address_of(x)


@pytest.mark.parametrize("dtype", [*DTYPES, np.int64])
def test_the_address_is_that_of_the_first_element(dtype: type) -> None:
    x = np.zeros((4, 3), dtype)
    for program in forms(address):
        assert program(x) == x.ctypes.data
        assert program(x[2:]) == x.ctypes.data + 6 * x.itemsize

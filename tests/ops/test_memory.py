"""Where results are allocated."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.ops import _memory
from tests.strategies import LAYOUTS


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
def test_large_results_start_on_a_cache_line(dtype: type) -> None:
    for size in (3000, 3001, 3002, 3003, 100_000):
        x = _memory.empty((size, 1), dtype)
        assert (x.shape, x.dtype, x.flags.carray) == ((size, 1), dtype, True)
        assert x.nbytes <= _memory.SMALL or x.ctypes.data % _memory.ALIGNMENT == 0
        x[...] = 1
        assert x.all()


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), [2, 3]])
def test_small_and_empty_results(shape: tuple[int, ...]) -> None:
    x = _memory.empty(shape, np.float32)
    assert (x.shape, x.dtype, x.flags.carray) == (tuple(shape), np.float32, True)


@pytest.mark.parametrize("size", [3, 30])
@pytest.mark.parametrize("name", LAYOUTS)
def test_like_another_array_in_its_memory_order(name: str, size: int) -> None:
    x = LAYOUTS[name](np.zeros((2, 5, size, size), np.float32))
    like = _memory.empty_like(x)
    assert (like.shape, like.dtype) == (x.shape, x.dtype)
    assert not np.shares_memory(like, x)
    # Dense, and with the axes in the order of x: as NumPy does it.
    order = np.argsort([-abs(stride) for stride in x.strides], kind="stable")
    assert like.transpose(order).flags.c_contiguous
    assert _memory.empty_like(x, np.int64).dtype == np.int64


def test_like_a_number() -> None:
    assert _memory.empty_like(np.array(1.0)).shape == ()


def test_axes_of_one_element_have_no_order() -> None:
    x = np.zeros((5, 5, 1, 16)).transpose(3, 2, 0, 1)  # the weights of a layer with one channel
    other = np.zeros((16, 5, 1, 5)).transpose(0, 2, 1, 3)
    strides = list(x.strides)
    strides[1] *= 7
    same = np.lib.stride_tricks.as_strided(x, x.shape, strides)
    assert same.strides != x.strides and _memory.lie_alike(x, same) and _memory.lie_alike(x, x)
    assert x.shape == other.shape and not _memory.lie_alike(x, other)

"""The comparison of many arrays in one call."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels._equal import all_equal

WORDS = np.zeros(1, np.uint32)


def table(*pairs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    rows = [(x.nbytes // 4, x.ctypes.data, y.ctypes.data) for x, y in pairs]
    return np.array(rows, np.int64).reshape(-1, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_one_bit_anywhere_is_found(dtype: type) -> None:
    pairs = []
    for size in (1, 7, 64, 1000):
        x = np.arange(size, dtype=dtype)
        pairs.append((x, x.copy()))
    assert all_equal(WORDS, table(*pairs))
    for x, _ in pairs:
        words = x.view(np.uint32)
        for at in {0, words.size // 2, words.size - 1}:
            words[at] ^= 1 << 31
            assert not all_equal(WORDS, table(*pairs))
            words[at] ^= 1 << 31
    assert all_equal(WORDS, table(*pairs))


def test_bits_count_not_numbers() -> None:
    nan, zero = np.full(3, np.nan), np.zeros(3)
    assert all_equal(WORDS, table((nan, nan.copy())))
    assert not all_equal(WORDS, table((zero, -zero)))
    assert all_equal(WORDS, table())

"""Partial sums are added up as exactly as in twice the digits, in a fixed order."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels.conv2d._merge import merge
from tests.kernels.threads import every_thread_count


def test_what_an_addition_rounds_off_is_not_lost() -> None:
    eps = np.finfo(np.float32).eps
    totals = np.array([[1, 5], [eps / 4, -1], [eps / 4, 2], [eps / 4, 2], [eps / 4, 0]], np.float32)
    out = np.full(2, np.nan, np.float32)
    merge(totals, out)
    np.testing.assert_array_equal(out, np.array([1 + eps, 8], np.float32))  # one by one the small ones would be lost


@pytest.mark.parametrize("size", [1, 15, 16, 5000])  # part of a vector, a whole one, more than one task
@pytest.mark.parametrize("chunks", [1, 2, 16])
def test_sums_are_those_of_float64_rounded(chunks: int, size: int) -> None:
    totals = np.random.default_rng(0).standard_normal((chunks, size)).astype(np.float32)
    wanted = totals.astype(np.float64).sum(0)
    for _ in every_thread_count():
        out = np.full(size, np.nan, np.float32)
        merge(totals, out)
        # One rounding to float32; sums of 16 numbers near one are below eight.
        np.testing.assert_allclose(out, wanted, rtol=0, atol=float(np.finfo(np.float32).eps) * 4)


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # in plain Python NumPy tells of inf - inf
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_infinities_and_nan_keep_their_meaning(dtype: type) -> None:
    totals = np.array([[1, np.inf, 1, np.nan, np.inf], [np.inf, 2, -np.inf, 1, -np.inf], [3, 3, 3, 3, 3]], dtype)
    out = np.zeros(5, dtype)
    merge(totals, out)
    np.testing.assert_array_equal(out, np.array([np.inf, np.inf, -np.inf, np.nan, np.nan], dtype))


def test_what_stands_behind_a_sum_in_its_row_is_left_out() -> None:
    out = np.zeros(3, np.float32)
    merge(np.arange(10, dtype=np.float32).reshape(2, 5), out)
    np.testing.assert_array_equal(out, [5, 7, 9])

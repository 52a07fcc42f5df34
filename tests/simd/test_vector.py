"""Vector operations: the compiled form, the plain-Python form and NumPy give the same bits.

Run as a whole under other vector widths and CPUs by test_machines.py. All programs run compiled first and, by
``forms``, a second time as plain Python (only so under NUMBA_DISABLE_JIT=1).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numba.core.errors import TypingError

from scratchconv import simd
from scratchconv.kernels._jit import kernel
from tests.memory import at_the_end_of_memory

DTYPES = [np.float32, np.float64]
GUARD = -77.0  # fills memory that must not be touched

# One element of each kind: signed zeros, infinities, NaN, the smallest and largest numbers, ordinary ones.
SPECIAL = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-38, 3e38, 0.1, -7.25)


def forms(program: Any) -> Iterator[Callable[..., Any]]:
    """The compiled form of a program and its plain-Python form."""
    yield program
    if hasattr(program, "py_func"):
        yield program.py_func


def special_pairs(dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of special numbers, as many as fill whole vectors of any width."""
    a, b = np.array(list(itertools.product(SPECIAL, SPECIAL)), dtype).T
    return np.resize(a, 128), np.resize(b, 128)


@kernel
def arithmetic(a, b, out):
    n = a.size
    for i in range(0, n, simd.lanes_of(a)):
        x, y = simd.load(a, i), simd.load(b, i)
        simd.store(out, i, x + y)
        simd.store(out, n + i, x - y)
        simd.store(out, 2 * n + i, x * y)
        simd.store(out, 3 * n + i, x / y)
        simd.store(out, 4 * n + i, simd.maximum(x, y))
        simd.store(out, 5 * n + i, simd.minimum(x, y))
        simd.store(out, 6 * n + i, simd.absolute(x))
        simd.store(out, 7 * n + i, simd.square_root(y))


@pytest.mark.parametrize("dtype", DTYPES)
@np.errstate(all="ignore")
def test_arithmetic_is_that_of_numpy_for_all_special_values(dtype: type) -> None:
    a, b = special_pairs(dtype)
    # maximum and minimum: the second operand wins ties (zeros of either sign) and where either is NaN
    best, least = np.where(a > b, a, b), np.where(a < b, a, b)
    wanted = [a + b, a - b, a * b, a / b, best, least, np.abs(a), np.sqrt(b)]
    for program in forms(arithmetic):
        out = np.full((8, a.size), GUARD, dtype)
        program(a, b, out)
        np.testing.assert_array_equal(out, wanted)  # NaN equals NaN
    for row in (out[4], out[5]):
        np.testing.assert_array_equal(np.signbit(row[a == b]), np.signbit(b[a == b]))


@kernel
def comparisons(a, b, out):
    n = a.size
    yes, no = simd.splat(a, 1), simd.splat(a, 0)
    for i in range(0, n, simd.lanes_of(a)):
        x, y = simd.load(a, i), simd.load(b, i)
        simd.store(out, i, simd.select(x < y, yes, no))
        simd.store(out, n + i, simd.select(x <= y, yes, no))
        simd.store(out, 2 * n + i, simd.select(x > y, yes, no))
        simd.store(out, 3 * n + i, simd.select(x >= y, yes, no))
        simd.store(out, 4 * n + i, simd.select(x == y, yes, no))
        simd.store(out, 5 * n + i, simd.select(x != y, yes, no))
        simd.store(out, 6 * n + i, simd.select((x < y) & (x == x), yes, no))
        simd.store(out, 7 * n + i, simd.select((x < y) | (y != y), yes, no))
        simd.store(out, 8 * n + i, simd.select((x <= y) ^ (x >= y), yes, no))
        simd.store(out, 9 * n + i, simd.select(x < y, x, y))


@pytest.mark.parametrize("dtype", DTYPES)
def test_comparisons_with_nan_are_false_except_unequal(dtype: type) -> None:
    a, b = special_pairs(dtype)
    ordered = [a < b, a <= b, a > b, a >= b, a == b, a != b]
    combined = [(a < b) & (a == a), (a < b) | (b != b), (a <= b) ^ (a >= b)]
    for program in forms(comparisons):
        out = np.full((10, a.size), GUARD, dtype)
        program(a, b, out)
        np.testing.assert_array_equal(out[:9], ordered + combined)
        np.testing.assert_array_equal(out[9], np.where(a < b, a, b))


@kernel
def multiply_add(a, b, c, out):
    for i in range(0, a.size, simd.lanes_of(a)):
        simd.store(out, i, simd.fma(simd.load(a, i), simd.load(b, i), simd.load(c, i)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_fma_rounds_once(dtype: type) -> None:
    eps = np.finfo(dtype).eps
    a, b, c = np.full(64, 1 + eps, dtype), np.full(64, 1 - eps, dtype), np.full(64, -1, dtype)
    out = np.full_like(a, GUARD)
    multiply_add(a, b, c, out)
    if hasattr(multiply_add, "py_func") or dtype is np.float32:  # plain Python has no wider float64
        np.testing.assert_array_equal(out, -(eps**2))  # (1 + e)(1 - e) - 1; two roundings give 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_fma_of_random_numbers(dtype: type) -> None:
    a, b, c = np.random.default_rng(0).standard_normal((3, 64)).astype(dtype)
    wanted = (a.astype(np.longdouble) * b + c).astype(dtype)
    for program in forms(multiply_add):
        out = np.full_like(a, GUARD)
        program(a, b, c, out)
        # the reference rounds a second time, from long double: that may move the last bit
        np.testing.assert_array_max_ulp(out, wanted, 1)


@kernel
def unaligned_copy(x, i, y, o):
    simd.prefetch(x, i)
    simd.store(y, o, simd.load(x, simd.opaque(i)))


@kernel
def partial_copy(x, i, y, o, n, loaded):
    v = simd.load_partial(x, i, n)
    simd.store(loaded, 0, v)
    simd.store_partial(y, o, simd.load(x, i), n)


@pytest.mark.parametrize("dtype", DTYPES)
def test_load_and_store_at_any_offset_touch_one_vector(dtype: type) -> None:
    lanes = simd.lanes(dtype)
    x = np.arange(100, dtype=dtype).reshape(2, 2, 25)
    for program, i, o in itertools.product(forms(unaligned_copy), (0, 1, 3), (1, 5)):
        y = np.full(100, GUARD, dtype)
        program(x, i, y, o)
        np.testing.assert_array_equal(y[o : o + lanes], x.reshape(-1)[i : i + lanes])
        assert np.all(y[:o] == GUARD)
        assert np.all(y[o + lanes :] == GUARD)


@pytest.mark.parametrize("dtype", DTYPES)
def test_partial_load_and_store_touch_nothing_beyond(dtype: type) -> None:
    lanes = simd.lanes(dtype)
    x = np.arange(1, 101, dtype=dtype)
    for program in forms(partial_copy):
        for n in (-(2**40), -1, 0, 1, lanes // 2, lanes - 1, lanes, lanes + 1, 2**40):
            live = min(max(n, 0), lanes)
            y, loaded = np.full(100, GUARD, dtype), np.full(lanes, GUARD, dtype)
            program(x, 3, y, 5, n, loaded)
            np.testing.assert_array_equal(loaded, np.where(np.arange(lanes) < live, x[3 : 3 + lanes], 0))
            np.testing.assert_array_equal(y[5 : 5 + live], x[3 : 3 + live])
            assert np.all(y[:5] == GUARD)
            assert np.all(y[5 + live :] == GUARD)


def test_partial_load_and_store_stay_on_the_last_page() -> None:
    """The array ends where a page begins that nobody may touch: a whole vector would end the process."""
    page, source = at_the_end_of_memory(np.arange(64, dtype=np.float32)), np.full(100, GUARD, np.float32)
    loaded = np.full(simd.lanes(np.float32), GUARD, np.float32)
    for n in (1, 3):
        load_tail(page, page.size - n, n, loaded)
        np.testing.assert_array_equal(loaded[: n + 1], [*page[-n:], 0])
        store_tail(page, page.size - n, n, source)
        np.testing.assert_array_equal(page[-n:], [GUARD] * n)
        page[-n:] = np.arange(n)


@kernel
def load_tail(x, i, n, loaded):
    simd.store(loaded, 0, simd.load_partial(x, i, n))


@kernel
def store_tail(x, i, n, source):
    simd.store_partial(x, i, simd.load(source, 0), n)


@kernel
def sums(x, out):
    out[0] = simd.sum_lanes(simd.load(x, 0))
    out[1] = simd.lanes_of(x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_lanes_are_summed_by_halving(dtype: type) -> None:
    lanes = simd.lanes(dtype)
    x = np.random.default_rng(0).standard_normal(lanes).astype(dtype)
    half = x.copy()
    while half.size > 1:
        half = half[: half.size // 2] + half[half.size // 2 :]
    for program in forms(sums):
        out = np.full(2, GUARD, dtype)
        program(x, out)
        np.testing.assert_array_equal(out, [half[0], lanes])


@kernel
def filled(x, number, out):
    simd.store(out, 0, simd.splat(x, number))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", [3, 0.1])
def test_splat_converts_to_the_dtype_of_the_array(dtype: type, number: float) -> None:
    for program in forms(filled):
        out = np.full(simd.lanes(dtype), GUARD, dtype)
        program(out[:0].copy(), number, out)
        np.testing.assert_array_equal(out, dtype(number))


def test_arrays_that_flat_offsets_cannot_address_are_refused() -> None:
    x, out = np.zeros((64, 64), np.float32), np.zeros(64, np.float32)
    for program in forms(unaligned_copy):
        for wrong in (x.T, x[:, ::2]):
            with pytest.raises((TypingError, ValueError), match=r"load|C-contiguous"):
                program(wrong, 0, out, 0)

"""The matrices of fast convolution, against the definition of correlation in exact fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from scratchconv.kernels.conv2d import _cook_toom
from scratchconv.kernels.conv2d._cook_toom import Matrix, cook_toom

SIZES = [(m, r) for m, r in product(range(1, 9), repeat=2) if m + r - 1 in _cook_toom.POINTS]


def times(matrix: Matrix, x: list[Fraction]) -> list[Fraction]:
    return [sum((a * b for a, b in zip(row, x, strict=True)), Fraction(0)) for row in matrix]


@pytest.mark.parametrize(("m", "r"), SIZES)
def test_every_size_is_exactly_a_correlation(m: int, r: int) -> None:
    """Both sides are bilinear in d and g: all pairs of unit vectors decide them."""
    n = m + r - 1
    t = cook_toom(m, r)
    for a, b in product(range(n), range(r)):
        d, g = ([Fraction(i == at) for i in range(size)] for size, at in ((n, a), (r, b)))
        products = [x * y for x, y in zip(times(t.source, d), times(t.kernel, g), strict=True)]
        assert times(t.result, products) == [sum(d[i + u] * g[u] for u in range(r)) for i in range(m)]


@pytest.mark.parametrize(("m", "r"), SIZES)
def test_shapes(m: int, r: int) -> None:
    n = m + r - 1
    t = cook_toom(m, r)
    assert [(len(matrix), len(matrix[0])) for matrix in t] == [(n, n), (n, r), (m, n)]
    assert all(isinstance(entry, Fraction) for matrix in t for row in matrix for entry in row)


def kernel_rows(t: _cook_toom.Transforms) -> Matrix:
    """One row for each product: beyond the last one it is repeated."""
    return t.kernel + t.kernel[-1:] * (len(t.source) - len(t.kernel))


def bilinear(t: _cook_toom.Transforms, d: list[Fraction], g: list[Fraction]) -> list[Fraction]:
    products = [x * y for x, y in zip(times(t.source, d), times(kernel_rows(t), g), strict=True)]
    return times(t.result, products)


def unit(size: int, at: int) -> list[Fraction]:
    return [Fraction(i == at) for i in range(size)]


STRIDED = [(m, r, s) for m, r, s in product((1, 2, 4), range(1, 6), range(1, 4)) if r >= s]


@pytest.mark.parametrize(("m", "r", "s"), STRIDED)
def test_with_a_stride_the_phases_are_exactly_a_correlation(m: int, r: int, s: int) -> None:
    t = _cook_toom.forward(m, r, s)
    inputs = len(t.source[0])
    assert inputs == s * (m - 1) + r
    for a, b in product(range(inputs), range(r)):
        d, g = unit(inputs, a), unit(r, b)
        assert bilinear(t, d, g) == [sum(d[s * i + u] * g[u] for u in range(r)) for i in range(m)]


@pytest.mark.parametrize("padding", range(4))
@pytest.mark.parametrize(("m", "r", "s"), STRIDED)
def test_and_so_are_those_of_the_input_gradient(m: int, r: int, s: int, padding: int) -> None:
    t, low = _cook_toom.backward(m, r, s, padding), _cook_toom.first_input(r, s, padding)
    inputs = len(t.source[0])
    assert len(t.result) == s * m
    for a, b in product(range(inputs), range(r)):
        dy, w = unit(inputs, a), unit(r, b)
        wanted = []
        for q in range(padding, padding + s * m):
            seen = [(q - u) // s - low for u in range(r) if (q - u) % s == 0]
            assert all(0 <= i < inputs for i in seen)  # nothing that a pixel sees is left out
            wanted.append(sum(dy[(q - u) // s - low] * w[u] for u in range(r) if (q - u) % s == 0))
        assert bilinear(t, dy, w[::-1]) == wanted


def test_stride_1_is_the_special_case() -> None:
    for m, r in SIZES:
        t = cook_toom(m, r)
        if r > 1:  # one tap is one row of the kernel
            assert _cook_toom.forward(m, r, 1) == _cook_toom.backward(m, r, 1, 1) == t
        assert kernel_rows(_cook_toom.forward(m, r, 1)) == t.kernel


def test_three_taps_with_stride_2() -> None:
    """README shows these matrices: F(2, 2) on the even pixels, one tap on the odd ones."""
    t = _cook_toom.forward(2, 3, 2)
    assert t.source == ((-1, 0, 1, 0, 0), (0, 0, 1, 0, 0), (0, 0, -1, 0, 1), (0, 1, 0, 0, 0), (0, 0, 0, 1, 0))
    assert t.kernel == ((-1, 0, 0), (1, 0, 1), (0, 0, 1), (0, 1, 0))
    assert t.result == ((1, 1, 0, 1, 0), (0, 1, 1, 0, 1))


def test_two_results_of_three_taps_as_in_the_book() -> None:
    """README works this example out by hand."""
    t = cook_toom(2, 3)
    assert t.source == ((-1, 0, 1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1))
    half = Fraction(1, 2)
    assert t.kernel == ((-1, 0, 0), (half, half, half), (half, -half, half), (0, 0, 1))
    assert t.result == ((1, 1, 1, 0), (0, 1, -1, 1))


def test_there_are_points_for_every_size_up_to_eight_and_they_differ() -> None:
    assert sorted(_cook_toom.POINTS) == list(range(1, 9))
    for n, points in _cook_toom.POINTS.items():
        assert len({Fraction(point) for point in points}) == n - 1  # infinity is the last one


def test_a_size_without_points_is_named() -> None:
    with pytest.raises(KeyError, match="9"):
        cook_toom(5, 5)


def test_too_few_points_cannot_be_overlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or equal ones: then the sizes do not fit, or a number is divided by zero."""
    cook_toom.cache_clear()
    monkeypatch.setitem(_cook_toom.POINTS, 4, ("0", "1", "1"))
    with pytest.raises(ZeroDivisionError):
        cook_toom(2, 3)
    monkeypatch.setitem(_cook_toom.POINTS, 4, ("0", "1"))
    t = cook_toom(2, 3)
    with pytest.raises(ValueError):
        times(t.source, [Fraction(1)] * 4)
    cook_toom.cache_clear()


def test_transposed() -> None:
    matrix = cook_toom(2, 3).kernel
    np.testing.assert_array_equal(np.array(_cook_toom.transposed(matrix)), np.array(matrix).T)

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

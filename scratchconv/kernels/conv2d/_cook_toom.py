"""The matrices of fast convolution F(m, r), derived from exact fractions (Toom 1963, Cook 1966, Winograd 1980).

Multiply two polynomials g (r coefficients) and h (m coefficients): the product s has n = m + r - 1 coefficients, so its
values at n points decide it, and a value costs one multiplication: s(p) = g(p) h(p). "Infinity" as a point means the
leading coefficient. With Lagrange's polynomials l_k(x) = Π_{i≠k} (x - p_i), N_k = l_k(p_k) and M(x) = Π (x - p_i)

    s(x) = Σ_k g(p_k) h(p_k) / N_k · l_k(x) + g_∞ h_∞ M(x).

As matrices: s = C [(G g) ⊙ (A h)], where row k of G is (1, p, p², ...) / N_k, row k of A is (1, p, p², ...), and
column k of C holds the coefficients of l_k; for infinity they are (0, ..., 1), (0, ..., 1) and those of M.

Correlating d (n numbers) with g is the transpose of h ↦ s, because a dot product of d with s is one of y with h:

    y = Aᵀ [(G g) ⊙ (Cᵀ d)].
"""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import NamedTuple

Matrix = tuple[tuple[Fraction, ...], ...]

# The finite points of n = m + r - 1; infinity is always the last one. Chosen for small float32 error among those with
# opposite pairs (halving the additions): measured, see README.md. Powers of two multiply exactly.
POINTS: dict[int, tuple[str, ...]] = {
    1: (),
    2: ("0",),
    3: ("0", "1"),
    4: ("0", "1", "-1"),
    5: ("1/2", "-1/2", "5/4", "-5/4"),
    6: ("0", "2/3", "-2/3", "3/2", "-3/2"),
    7: ("0", "1/2", "-1/2", "1", "-1", "2"),
    8: ("0", "1/2", "-1/2", "1", "-1", "2", "-2"),
}


class Transforms(NamedTuple):
    """y = result [(kernel · g) ⊙ (source · d)]: m results from n = m + r - 1 inputs d and r taps g."""

    source: Matrix  # (n, n): Cᵀ
    kernel: Matrix  # (n, r): G
    result: Matrix  # (m, n): Aᵀ


@functools.cache
def cook_toom(m: int, r: int) -> Transforms:
    """Matrices of F(m, r)."""
    points = [Fraction(point) for point in POINTS[m + r - 1]]
    kernel, evaluate, interpolate = [], [], []
    for k, p in enumerate(points):
        others = points[:k] + points[k + 1 :]
        scale = _value(others, p)
        kernel.append([p**i / scale for i in range(r)])
        evaluate.append([p**i for i in range(m)])
        interpolate.append([*_coefficients(others), Fraction(0)])
    kernel.append([Fraction(i == r - 1) for i in range(r)])
    evaluate.append([Fraction(i == m - 1) for i in range(m)])
    interpolate.append(_coefficients(points))
    return Transforms(_matrix(interpolate), _matrix(kernel), transposed(_matrix(evaluate)))


def transposed(matrix: Matrix) -> Matrix:
    """Rows become columns."""
    return tuple(zip(*matrix, strict=True))


def _matrix(rows: list[list[Fraction]]) -> Matrix:
    return tuple(map(tuple, rows))


def _value(roots: list[Fraction], x: Fraction) -> Fraction:
    """Π (x - root)."""
    product = Fraction(1)
    for root in roots:
        product *= x - root
    return product


def _coefficients(roots: list[Fraction]) -> list[Fraction]:
    """Coefficients of Π (x - root), constant term first."""
    polynomial = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *polynomial], [root * c for c in [*polynomial, Fraction(0)]]
        polynomial = [a - b for a, b in zip(shifted, scaled, strict=True)]
    return polynomial

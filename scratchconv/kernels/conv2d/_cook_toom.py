"""The matrices of fast convolution F(m, r), derived from exact fractions (Toom 1963, Cook 1966, Winograd 1980).

Multiply two polynomials g (r coefficients) and h (m coefficients): the product s has n = m + r - 1 coefficients, so its
values at n points decide it, and a value costs one multiplication: s(p) = g(p) h(p). "Infinity" as a point means the
leading coefficient. With Lagrange's polynomials l_k(x) = Π_{i≠k} (x - p_i), N_k = l_k(p_k) and M(x) = Π (x - p_i)

    s(x) = Σ_k g(p_k) h(p_k) / N_k · l_k(x) + g_∞ h_∞ M(x).

As matrices: s = C [(G g) ⊙ (A h)], where row k of G is (1, p, p², ...) / N_k, row k of A is (1, p, p², ...), and
column k of C holds the coefficients of l_k; for infinity they are (0, ..., 1), (0, ..., 1) and those of M.

Correlating d (n numbers) with g is the transpose of h ↦ s, because a dot product of d with s is one of y with h:

    y = Aᵀ [(G g) ⊙ (Cᵀ d)].

With a stride s, taps of equal u mod s meet pixels of equal index mod s: y = Σ_a Aᵀ_a [(G_a g) ⊙ (Cᵀ_a d)], where
phase a is an F(m, r_a) on its own taps and pixels. Side by side, the matrices of all phases are one set again.
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
    """y = result [(kernel · g) ⊙ (source · d)]: m results from n = m + r - 1 inputs d and r taps g.

    With a stride, n products are those of all phases, and there are as many results and inputs as these see. Products
    beyond the rows of ``kernel`` have its last row again: one tap is the same for all results.
    """

    source: Matrix  # (n, n): Cᵀ
    kernel: Matrix  # (n, r): G
    result: Matrix  # (m, n): Aᵀ


class Phase(NamedTuple):
    """An F(m, r_a) as a part of a whole: where its taps, its inputs and its m results are."""

    taps: range
    inputs: range
    results: range


@functools.cache
def cook_toom(m: int, r: int) -> Transforms:
    """Matrices of F(m, r)."""
    if r == 1:  # nothing to save
        unit = tuple(tuple(Fraction(i == j) for j in range(m)) for i in range(m))
        return Transforms(unit, ((Fraction(1),),) * m, unit)
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


@functools.cache
def forward(m: int, r: int, stride: int) -> Transforms:
    """y[i] = Σ_u d[stride i + u] g[u] for m results, which all phases of the taps share."""
    phases = []
    for a in range(min(stride, r)):
        taps = range(a, r, stride)
        phases.append(Phase(taps, range(a, stride * (m + len(taps) - 1), stride), range(m)))
    return _together(phases, r)


@functools.cache
def backward(m: int, r: int, stride: int, padding: int) -> Transforms:
    """dx[h] = Σ_u dy[(h + padding - u) / stride] w[u] over whole quotients, for stride m pixels; g is w turned round.

    Each phase of h + padding is an F(m, r_a). The inputs begin at ``first_input``.
    """
    phases, low = [], first_input(r, stride, padding)
    for h in range(stride):
        taps = range((h + padding) % stride, r, stride)[::-1]
        begin = (h + padding) // stride - (len(taps) - 1) - low
        turned = range(r - 1 - taps[0], r - taps[-1], stride)
        phases.append(Phase(turned, range(begin, begin + m + len(taps) - 1), range(h, stride * m, stride)))
    return _together(phases, r)


def first_input(r: int, stride: int, padding: int) -> int:
    """The index of the first dy that the pixels of dx from 0 on see."""
    pixels = range(padding, padding + stride)
    return min(q // stride - (len(range(q % stride, r, stride)) - 1) for q in pixels)


def _together(phases: list[Phase], r: int) -> Transforms:
    """One set of matrices for all phases, those of one tap last."""
    inputs, results = (1 + max(phase[k][-1] for phase in phases) for k in (1, 2))
    source, kernel, result = [], [], []
    for phase in sorted(phases, key=lambda phase: -len(phase.taps)):
        part = cook_toom(len(phase.results), len(phase.taps))
        source += [_spread(row, phase.inputs, inputs) for row in part.source]
        kernel += [_spread(row, phase.taps, r) for row in part.kernel]
        result += [_spread(column, phase.results, results) for column in transposed(part.result)]
    while len(kernel) > 1 and kernel[-1] == kernel[-2]:
        kernel.pop()
    return Transforms(_matrix(source), _matrix(kernel), transposed(_matrix(result)))


def _spread(numbers: tuple[Fraction, ...], places: range, length: int) -> list[Fraction]:
    """``numbers`` at their places, zeros elsewhere."""
    given = dict(zip(places, numbers, strict=True))
    return [given.get(place, Fraction(0)) for place in range(length)]


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

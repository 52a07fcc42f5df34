"""Wide rows: several rows of a matrix taken as one, whose length is a multiple of four vectors.

Column w of a wide row belongs to channel w % C. Whatever the number of channels, every load is a whole vector, and
four columns of vectors are summed at once, none waiting for another.
"""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import helper
from scratchconv.simd import fma, lanes_of, load, splat, store


@helper
def rows_in_wide_row(x):
    """The fewest rows, a power of two, that make a multiple of four vectors."""
    rows = 1
    while rows * x.shape[1] % (4 * lanes_of(x)) != 0:
        rows *= 2
    return rows


@helper
def wide_row(x):
    """Scratch for one wide row of ``x``."""
    return np.empty(rows_in_wide_row(x) * x.shape[1], x.dtype)


@helper
def spread(values, wide):
    """wide[w] = values[w % C]."""
    for k in range(0, wide.size, values.size):
        for c in range(values.size):
            wide[k + c] = values[c]


@helper
def spread_constant(constant, mean, center, scale, wide):
    """wide[w] = constant[c] - (mean[c] - center[c]) * scale[c]: the constant term of a product about ``center``."""
    C = mean.size
    for k in range(0, wide.size, C):
        for c in range(C):
            wide[k + c] = constant[c] - (mean[c] - center[c]) * scale[c]


@helper
def fold(wide, out):
    """out[c] = Σ over the columns w of channel c of wide[w], in float64."""
    out[:] = 0.0
    for k in range(0, wide.size, out.size):
        for c in range(out.size):
            out[c] += wide[k + c]


@helper
def add(wide, total):
    """total[w] += wide[w], in float64."""
    for w in range(wide.size):
        total[w] += wide[w]


@helper
def wide_sums(x, rows, total):
    """total[w] = Σ of column w over the first ``rows`` wide rows."""
    width = total.size
    for w in range(0, width, lanes_of(x)):
        a = splat(x, 0)
        for m in range(rows):
            a = a + load(x, m * width + w)
        store(total, w, a)


@helper
def wide_moments(x, low, high, center, first, second):
    """first[w] = Σ d and second[w] = Σ d², d = x - center, over wide rows low to high."""
    lanes, width = lanes_of(x), center.size
    zero = splat(x, 0)
    for w in range(0, width, 4 * lanes):
        c0, c1 = load(center, w), load(center, w + lanes)
        c2, c3 = load(center, w + 2 * lanes), load(center, w + 3 * lanes)
        a0, a1, a2, a3, q0, q1, q2, q3 = zero, zero, zero, zero, zero, zero, zero, zero
        for m in range(low, high):
            i = m * width + w
            d0, d1 = load(x, i) - c0, load(x, i + lanes) - c1
            d2, d3 = load(x, i + 2 * lanes) - c2, load(x, i + 3 * lanes) - c3
            a0, a1, a2, a3 = a0 + d0, a1 + d1, a2 + d2, a3 + d3
            q0, q1, q2, q3 = fma(d0, d0, q0), fma(d1, d1, q1), fma(d2, d2, q2), fma(d3, d3, q3)
        _store_four(a0, a1, a2, a3, first, w)
        _store_four(q0, q1, q2, q3, second, w)


@helper
def wide_gradient_sums(x, low, high, center, dy, first, second):
    """first[w] = Σ dy and second[w] = Σ dy * (x - center) over wide rows low to high."""
    lanes, width = lanes_of(x), center.size
    zero = splat(x, 0)
    for w in range(0, width, 4 * lanes):
        c0, c1 = load(center, w), load(center, w + lanes)
        c2, c3 = load(center, w + 2 * lanes), load(center, w + 3 * lanes)
        a0, a1, a2, a3, q0, q1, q2, q3 = zero, zero, zero, zero, zero, zero, zero, zero
        for m in range(low, high):
            i = m * width + w
            g0, g1 = load(dy, i), load(dy, i + lanes)
            g2, g3 = load(dy, i + 2 * lanes), load(dy, i + 3 * lanes)
            a0, a1, a2, a3 = a0 + g0, a1 + g1, a2 + g2, a3 + g3
            q0, q1 = fma(g0, load(x, i) - c0, q0), fma(g1, load(x, i + lanes) - c1, q1)
            q2, q3 = fma(g2, load(x, i + 2 * lanes) - c2, q2), fma(g3, load(x, i + 3 * lanes) - c3, q3)
        _store_four(a0, a1, a2, a3, first, w)
        _store_four(q0, q1, q2, q3, second, w)


@helper
def _store_four(a, b, c, d, out, w):
    lanes = lanes_of(out)
    store(out, w, a)
    store(out, w + lanes, b)
    store(out, w + 2 * lanes, c)
    store(out, w + 3 * lanes, d)

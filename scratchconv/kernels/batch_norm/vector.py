"""Batch normalisation by vectors, in blocks of rows.

vs naive: parallel over blocks of about BLOCK bytes. Several rows are taken as one wide row of a whole number of
vectors, so every load is a whole vector whatever the number of channels; column w belongs to channel w % C.
Sums run over the wide rows of a block in the dtype of x and over blocks in float64, in the order of the blocks. Means
are subtracted as their rounded value (``center``); what rounding cut off goes into the constant term.

Source: Chan, Golub & LeVeque, The American Statistician 37(3), 1983: equations 1.5 (merging) and 1.7 (shifted data).
"""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import helper, parallel_kernel, prange
from scratchconv.simd import fma, lanes_of, load, splat, store

BLOCK = 65536  # bytes of x in a block
CHAIN = 32  # wide rows added one after the other in a sum of gradients: long chains of float32 additions lose digits
SAMPLE = 8  # one in SAMPLE rows of a block gives the value about which the block's moments are taken


@parallel_kernel
def moments(x, mean, var):
    """See naive. Owns: block b writes row b of the scratch. Cost: 4*M*C flop; x is read once.

    A block sums d = x - center and d², where center is the mean of its first rows, a part p of the block. Such a mean
    lies within sqrt((1-p)/p) standard deviations of the block's, so Σd² - (Σd)²/n loses a factor of 1/p at most.
    """
    M, C = x.shape
    size = _block_rows(x)
    blocks = (M + size - 1) // size
    means = np.empty((blocks, C), np.float64)
    squares = np.empty((blocks, C), np.float64)
    for b in prange(blocks):
        _block_moments(x[b * size : (b + 1) * size], means[b], squares[b])
    _merge(means, squares, size, M, mean, var)


@parallel_kernel
def normalize(x, mean, scale, shift, y):
    """See naive. Owns: block b writes its rows of y. Cost: 3*M*C flop; x is read and y written once."""
    size = _block_rows(x)
    center, factor, constant = _wide_row(x), _wide_row(x), _wide_row(x)
    _spread(mean, center)
    _spread(scale, factor)
    _spread_constant(shift, mean, center, scale, constant)
    for b in prange((x.shape[0] + size - 1) // size):
        _block_normalize(x[b * size : (b + 1) * size], center, factor, constant, y[b * size : (b + 1) * size])


@parallel_kernel
def gradient_sums(x, mean, dy, total, moment):
    """See naive. Owns: block b writes row b of the scratch. Cost: 4*M*C flop; x and dy are read once."""
    M, C = x.shape
    size = _block_rows(x)
    blocks = (M + size - 1) // size
    totals = np.empty((blocks, C), np.float64)
    products = np.empty((blocks, C), np.float64)
    center = _wide_row(x)
    _spread(mean, center)
    for b in prange(blocks):
        rows = slice(b * size, (b + 1) * size)
        _block_gradient_sums(x[rows], center, dy[rows], totals[b], products[b])
    total[:] = 0.0
    moment[:] = 0.0
    for b in range(blocks):
        for c in range(C):
            total[c] += totals[b, c]
            moment[c] += products[b, c] - (mean[c] - center[c]) * totals[b, c]


@parallel_kernel
def input_gradient(x, mean, dy, by_dy, by_x, constant, dx):
    """See naive. Owns: block b writes its rows of dx. Cost: 5*M*C flop; x and dy are read and dx written once."""
    size = _block_rows(x)
    center, of_dy, of_x, rest = _wide_row(x), _wide_row(x), _wide_row(x), _wide_row(x)
    _spread(mean, center)
    _spread(by_dy, of_dy)
    _spread(by_x, of_x)
    _spread_constant(constant, mean, center, by_x, rest)
    for b in prange((x.shape[0] + size - 1) // size):
        rows = slice(b * size, (b + 1) * size)
        _block_input_gradient(x[rows], center, dy[rows], of_dy, of_x, rest, dx[rows])


# ---------------------------------------------------------------- blocks


@helper
def _block_moments(x, mean, m2):
    """mean[c] and m2[c] = Σ (x - mean)² of the rows of a block."""
    M, C = x.shape
    center, first, second = _wide_row(x), _wide_row(x), _wide_row(x)
    wide = x.size // center.size
    sample = (wide + SAMPLE - 1) // SAMPLE
    if wide > 0:
        _wide_sums(x, sample, first)
        _fold(first, mean)
        for c in range(C):
            mean[c] /= sample * center.size // C
        _spread(mean, center)
    else:
        _spread(x[0], center)
    _wide_moments(x, wide, center, first, second)
    _fold(first, mean)
    _fold(second, m2)
    for m in range(wide * center.size // C, M):
        for c in range(C):
            d = np.float64(x[m, c]) - center[c]
            mean[c] += d
            m2[c] += d * d
    for c in range(C):
        m2[c] -= mean[c] * mean[c] / M
        mean[c] = center[c] + mean[c] / M


@helper
def _block_normalize(x, center, scale, constant, y):
    M, C = x.shape
    width = center.size
    wide = x.size // width
    for m in range(wide):
        for w in range(0, width, lanes_of(x)):
            i = m * width + w
            store(y, i, fma(load(x, i) - load(center, w), load(scale, w), load(constant, w)))
    for m in range(wide * width // C, M):
        for c in range(C):
            y[m, c] = (x[m, c] - center[c]) * scale[c] + constant[c]


@helper
def _block_gradient_sums(x, center, dy, total, product):
    """total[c] = Σ dy, product[c] = Σ dy * (x - center) over the rows of a block."""
    M, C = x.shape
    first, second = _wide_row(x), _wide_row(x)
    wide = x.size // center.size
    _wide_gradient_sums(x, wide, center, dy, first, second)
    _fold(first, total)
    _fold(second, product)
    for m in range(wide * center.size // C, M):
        for c in range(C):
            g = np.float64(dy[m, c])
            total[c] += g
            product[c] += g * (np.float64(x[m, c]) - center[c])


@helper
def _block_input_gradient(x, center, dy, by_dy, by_x, constant, dx):
    M, C = x.shape
    width = center.size
    wide = x.size // width
    for m in range(wide):
        for w in range(0, width, lanes_of(x)):
            i = m * width + w
            of_x = fma(load(x, i) - load(center, w), load(by_x, w), load(constant, w))
            store(dx, i, fma(load(dy, i), load(by_dy, w), of_x))
    for m in range(wide * width // C, M):
        for c in range(C):
            dx[m, c] = by_dy[c] * dy[m, c] + by_x[c] * (x[m, c] - center[c]) + constant[c]


@helper
def _merge(means, squares, size, M, mean, var):
    """Moments of all rows from those of blocks of ``size`` rows: Chan et al., equation 1.5."""
    blocks, C = means.shape
    mean[:] = 0.0
    var[:] = 0.0
    for b in range(blocks):
        before, new = b * size, min(size, M - b * size)
        for c in range(C):
            delta = means[b, c] - mean[c]
            mean[c] += delta * (new / (before + new))
            var[c] += squares[b, c] + delta * delta * (before * new / (before + new))
    for c in range(C):
        var[c] /= M


# ---------------------------------------------------------------- wide rows


@helper
def _rows_in_wide_row(x):
    """The fewest rows, a power of two, that make a multiple of four vectors."""
    rows = 1
    while rows * x.shape[1] % (4 * lanes_of(x)) != 0:
        rows *= 2
    return rows


@helper
def _wide_row(x):
    """Scratch for one wide row of ``x``."""
    return np.empty(_rows_in_wide_row(x) * x.shape[1], x.dtype)


@helper
def _block_rows(x):
    """Rows of a block: whole wide rows, about BLOCK bytes of them."""
    rows = _rows_in_wide_row(x)
    return max(1, BLOCK // (rows * x.shape[1] * x.itemsize)) * rows


@helper
def _spread(values, wide):
    """wide[w] = values[w % C]."""
    for k in range(0, wide.size, values.size):
        for c in range(values.size):
            wide[k + c] = values[c]


@helper
def _spread_constant(constant, mean, center, scale, wide):
    """wide[w] = constant[c] - (mean[c] - center[c]) * scale[c]: the constant term of a product about ``center``."""
    C = mean.size
    for k in range(0, wide.size, C):
        for c in range(C):
            wide[k + c] = constant[c] - (mean[c] - center[c]) * scale[c]


@helper
def _fold(wide, out):
    """out[c] = Σ over the columns w of channel c of wide[w], in float64."""
    out[:] = 0.0
    for k in range(0, wide.size, out.size):
        for c in range(out.size):
            out[c] += wide[k + c]


@helper
def _wide_sums(x, rows, total):
    """total[w] = Σ of column w over the first ``rows`` wide rows."""
    width = total.size
    for w in range(0, width, lanes_of(x)):
        a = splat(x, 0)
        for m in range(rows):
            a = a + load(x, m * width + w)
        store(total, w, a)


@helper
def _wide_moments(x, rows, center, first, second):
    """first[w] = Σ d and second[w] = Σ d² with d = x - center: four columns at a time hide the latency of adding."""
    lanes, width = lanes_of(x), center.size
    zero = splat(x, 0)
    for w in range(0, width, 4 * lanes):
        c0, c1 = load(center, w), load(center, w + lanes)
        c2, c3 = load(center, w + 2 * lanes), load(center, w + 3 * lanes)
        a0, a1, a2, a3, q0, q1, q2, q3 = zero, zero, zero, zero, zero, zero, zero, zero
        for m in range(rows):
            i = m * width + w
            d0, d1 = load(x, i) - c0, load(x, i + lanes) - c1
            d2, d3 = load(x, i + 2 * lanes) - c2, load(x, i + 3 * lanes) - c3
            a0, a1, a2, a3 = a0 + d0, a1 + d1, a2 + d2, a3 + d3
            q0, q1, q2, q3 = fma(d0, d0, q0), fma(d1, d1, q1), fma(d2, d2, q2), fma(d3, d3, q3)
        _store_four(a0, a1, a2, a3, first, w)
        _store_four(q0, q1, q2, q3, second, w)


@helper
def _wide_gradient_sums(x, rows, center, dy, first, second):
    """first[w] = Σ dy and second[w] = Σ dy * (x - center); sums of CHAIN rows, each begun at zero, are added up."""
    lanes, width = lanes_of(x), center.size
    zero = splat(x, 0)
    first[:] = 0
    second[:] = 0
    for w in range(0, width, 4 * lanes):
        c0, c1 = load(center, w), load(center, w + lanes)
        c2, c3 = load(center, w + 2 * lanes), load(center, w + 3 * lanes)
        for begin in range(0, rows, CHAIN):
            a0, a1, a2, a3, q0, q1, q2, q3 = zero, zero, zero, zero, zero, zero, zero, zero
            for m in range(begin, min(begin + CHAIN, rows)):
                i = m * width + w
                g0, g1 = load(dy, i), load(dy, i + lanes)
                g2, g3 = load(dy, i + 2 * lanes), load(dy, i + 3 * lanes)
                a0, a1, a2, a3 = a0 + g0, a1 + g1, a2 + g2, a3 + g3
                q0, q1 = fma(g0, load(x, i) - c0, q0), fma(g1, load(x, i + lanes) - c1, q1)
                q2, q3 = fma(g2, load(x, i + 2 * lanes) - c2, q2), fma(g3, load(x, i + 3 * lanes) - c3, q3)
            _add_four(a0, a1, a2, a3, first, w)
            _add_four(q0, q1, q2, q3, second, w)


@helper
def _add_four(a, b, c, d, out, w):
    lanes = lanes_of(out)
    store(out, w, load(out, w) + a)
    store(out, w + lanes, load(out, w + lanes) + b)
    store(out, w + 2 * lanes, load(out, w + 2 * lanes) + c)
    store(out, w + 3 * lanes, load(out, w + 3 * lanes) + d)


@helper
def _store_four(a, b, c, d, out, w):
    lanes = lanes_of(out)
    store(out, w, a)
    store(out, w + lanes, b)
    store(out, w + 2 * lanes, c)
    store(out, w + 3 * lanes, d)

"""Batch normalisation by vectors, in blocks of rows.

vs naive: parallel over blocks of about BLOCK bytes. Rows are taken as wide rows of whole vectors (_wide.py).
Sums run over RUN wide rows in the dtype of x, then over runs and over blocks in float64, in their order. Means are
subtracted as their rounded value (``center``); what rounding cut off goes into the constant term.

Source: Chan, Golub & LeVeque, The American Statistician 37(3), 1983: equations 1.5 (merging) and 1.7 (shifted data).
"""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import helper, threaded_kernel
from scratchconv.kernels.batch_norm._wide import (
    add,
    fold,
    rows_in_wide_row,
    spread,
    spread_constant,
    wide_gradient_sums,
    wide_moments,
    wide_row,
    wide_sums,
)
from scratchconv.simd import fma, lanes_of, load, run_tasks, store

BLOCK = 65536  # bytes of x in a block
RUN = 32  # wide rows added up before float64 takes over
SAMPLE = 8  # one in SAMPLE rows of a block gives the value about which the block's moments are taken


@threaded_kernel
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
    run_tasks(_block_moments, blocks, size, x, means, squares)
    _merge(means, squares, size, M, mean, var)


@threaded_kernel
def normalize(x, mean, scale, shift, y):
    """See naive. Owns: block b writes its rows of y. Cost: 3*M*C flop; x is read and y written once."""
    size = _block_rows(x)
    center, factor, constant = wide_row(x), wide_row(x), wide_row(x)
    spread(mean, center)
    spread(scale, factor)
    spread_constant(shift, mean, center, scale, constant)
    run_tasks(_block_normalize, (x.shape[0] + size - 1) // size, size, x, center, factor, constant, y)


@threaded_kernel
def gradient_sums(x, mean, dy, total, moment):
    """See naive. Owns: block b writes row b of the scratch. Cost: 4*M*C flop; x and dy are read once."""
    M, C = x.shape
    size = _block_rows(x)
    blocks = (M + size - 1) // size
    totals = np.empty((blocks, C), np.float64)
    products = np.empty((blocks, C), np.float64)
    center = wide_row(x)
    spread(mean, center)
    run_tasks(_block_gradient_sums, blocks, size, x, center, dy, totals, products)
    total[:] = 0.0
    moment[:] = 0.0
    for b in range(blocks):
        for c in range(C):
            total[c] += totals[b, c]
            moment[c] += products[b, c] - (mean[c] - center[c]) * totals[b, c]


@threaded_kernel
def input_gradient(x, mean, dy, by_dy, by_x, constant, dx):
    """See naive. Owns: block b writes its rows of dx. Cost: 5*M*C flop; x and dy are read and dx written once."""
    size = _block_rows(x)
    center, of_dy, of_x, rest = wide_row(x), wide_row(x), wide_row(x), wide_row(x)
    spread(mean, center)
    spread(by_dy, of_dy)
    spread(by_x, of_x)
    spread_constant(constant, mean, center, by_x, rest)
    run_tasks(_block_input_gradient, (x.shape[0] + size - 1) // size, size, x, center, dy, of_dy, of_x, rest, dx)


# ---------------------------------------------------------------- blocks


@helper
def _block_moments(b, size, matrix, means, squares):
    """means[b,c] = mean and squares[b,c] = Σ (x - mean)² over the rows of block b."""
    x, mean, m2 = matrix[b * size : (b + 1) * size], means[b], squares[b]
    M, C = x.shape
    center, first, second = wide_row(x), wide_row(x), wide_row(x)
    wide = x.size // center.size
    sample = (wide + SAMPLE - 1) // SAMPLE
    if wide > 0:
        wide_sums(x, sample, first)
        fold(first, mean)
        for c in range(C):
            mean[c] /= sample * center.size // C
        spread(mean, center)
    else:
        spread(x[0], center)
    totals, second_totals = np.zeros(center.size), np.zeros(center.size)
    for m in range(0, wide, RUN):
        wide_moments(x, m, min(wide, m + RUN), center, first, second)
        add(first, totals)
        add(second, second_totals)
    fold(totals, mean)
    fold(second_totals, m2)
    for m in range(wide * center.size // C, M):
        for c in range(C):
            d = np.float64(x[m, c]) - center[c]
            mean[c] += d
            m2[c] += d * d
    for c in range(C):
        m2[c] -= mean[c] * mean[c] / M
        mean[c] = center[c] + mean[c] / M


@helper
def _block_normalize(b, size, matrix, center, scale, constant, out):
    x, y = matrix[b * size : (b + 1) * size], out[b * size : (b + 1) * size]
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
def _block_gradient_sums(b, size, matrix, center, gradient, all_totals, all_products):
    """all_totals[b,c] = Σ dy, all_products[b,c] = Σ dy * (x - center) over the rows of block b."""
    x, dy = matrix[b * size : (b + 1) * size], gradient[b * size : (b + 1) * size]
    total, product = all_totals[b], all_products[b]
    M, C = x.shape
    first, second = wide_row(x), wide_row(x)
    totals, products = np.zeros(center.size), np.zeros(center.size)
    wide = x.size // center.size
    for m in range(0, wide, RUN):
        wide_gradient_sums(x, m, min(wide, m + RUN), center, dy, first, second)
        add(first, totals)
        add(second, products)
    fold(totals, total)
    fold(products, product)
    for m in range(wide * center.size // C, M):
        for c in range(C):
            g = np.float64(dy[m, c])
            total[c] += g
            product[c] += g * (np.float64(x[m, c]) - center[c])


@helper
def _block_input_gradient(b, size, matrix, center, gradient, by_dy, by_x, constant, out):
    rows = slice(b * size, (b + 1) * size)
    x, dy, dx = matrix[rows], gradient[rows], out[rows]
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


@helper
def _block_rows(x):
    """Rows of a block: whole wide rows, about BLOCK bytes of them."""
    rows = rows_in_wide_row(x)
    return max(1, BLOCK // (rows * x.shape[1] * x.itemsize)) * rows

"""Reductions one element at a time: the contract."""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import kernel


@kernel
def total(x, divisor, out):
    """out[o,i] = sum_r x[o,r,i] / divisor

    x (O, R, I) C-contiguous float32/64, out (O, I); sums in float64; R = 0 gives zeros.
    """
    outer, rows, inner = x.shape
    for o in range(outer):
        for i in range(inner):
            s = 0.0
            for r in range(rows):
                s += np.float64(x[o, r, i])
            out[o, i] = s / divisor


@kernel
def variance(x, mean, correction, out):
    """out[o,i] = sum_r (x[o,r,i] - m)² / (R - correction), with m the mean over r

    x (O, R, I) C-contiguous float32/64; mean (O, I) the mean as rounded to that dtype; out (O, I).
    NaN if R = correction, infinite if R < correction (a division by zero: the divisor is never negative).
    """
    outer, rows, inner = x.shape
    for o in range(outer):
        for i in range(inner):
            first, second = 0.0, 0.0
            for r in range(rows):
                d = np.float64(x[o, r, i]) - np.float64(mean[o, i])
                first += d
                second += d * d
            out[o, i] = (second - first * first / rows) / max(0.0, rows - correction)


@kernel
def argmax(x, values, indices):
    """values[o,i] = max_r x[o,r,i], indices[o,i] = the first r that has it; NaN counts as larger than any number.

    x (O, R, I) C-contiguous float32/64, R >= 1; values (O, I), indices (O, I) int64.
    """
    outer, rows, inner = x.shape
    for o in range(outer):
        for i in range(inner):
            best = 0
            for r in range(1, rows):
                v, top = x[o, r, i], x[o, best, i]
                if v > top or (v != v and top == top):
                    best = r
            values[o, i] = x[o, best, i]
            indices[o, i] = best

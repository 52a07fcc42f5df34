"""Batch normalisation as loops over the columns of a matrix: the contract.

The rows are the pixels of all images, the columns the channels.
"""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import kernel


@kernel
def moments(x, mean, var):
    """mean[c] = 1/M Σ_m x[m,c],  var[c] = 1/M Σ_m (x[m,c] - mean[c])²

    x (M,C) C-contiguous float32/64, M >= 1; mean, var (C,) float64.
    """
    M, C = x.shape
    for c in range(C):
        total = np.float64(0)
        for m in range(M):
            total += x[m, c]
        mean[c] = total / M
        total = np.float64(0)
        for m in range(M):
            total += (x[m, c] - mean[c]) ** 2
        var[c] = total / M


@kernel
def normalize(x, mean, scale, shift, y):
    """y[m,c] = (x[m,c] - mean[c]) * scale[c] + shift[c]

    x, y (M,C) C-contiguous float32/64; mean, scale, shift (C,) float64.
    """
    M, C = x.shape
    for m in range(M):
        for c in range(C):
            y[m, c] = (x[m, c] - mean[c]) * scale[c] + shift[c]


@kernel
def gradient_sums(x, mean, dy, total, moment):
    """total[c] = Σ_m dy[m,c],  moment[c] = Σ_m dy[m,c] * (x[m,c] - mean[c])

    x, dy (M,C) C-contiguous float32/64; mean, total, moment (C,) float64.
    """
    M, C = x.shape
    for c in range(C):
        total[c] = 0.0
        moment[c] = 0.0
        for m in range(M):
            total[c] += dy[m, c]
            moment[c] += dy[m, c] * (x[m, c] - mean[c])


@kernel
def input_gradient(x, mean, dy, by_dy, by_x, constant, dx):
    """dx[m,c] = by_dy[c] * dy[m,c] + by_x[c] * (x[m,c] - mean[c]) + constant[c]

    x, dy, dx (M,C) C-contiguous float32/64; mean, by_dy, by_x, constant (C,) float64.
    """
    M, C = x.shape
    for m in range(M):
        for c in range(C):
            dx[m, c] = by_dy[c] * dy[m, c] + by_x[c] * (x[m, c] - mean[c]) + constant[c]

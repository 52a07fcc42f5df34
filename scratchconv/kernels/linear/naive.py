"""Linear layer as loops: the contract."""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import kernel


@kernel
def forward(x, w, b, y):
    """y[n,f] = b[f] + sum_c x[n,c] * w[f,c]

    x (N, C), w (F, C), b (F,), y (N, F); C-contiguous float32/64; sums in float64.
    """
    for n in range(y.shape[0]):
        for f in range(y.shape[1]):
            total = np.float64(b[f])
            for c in range(x.shape[1]):
                total += np.float64(x[n, c]) * np.float64(w[f, c])
            y[n, f] = total


@kernel
def input_gradient(dy, w, dx):
    """dx[n,c] = sum_f dy[n,f] * w[f,c]; dy (N, F), w (F, C), dx (N, C)."""
    for n in range(dx.shape[0]):
        for c in range(dx.shape[1]):
            total = 0.0
            for f in range(w.shape[0]):
                total += np.float64(dy[n, f]) * np.float64(w[f, c])
            dx[n, c] = total


@kernel
def weight_gradient(dy, x, dw):
    """dw[f,c] = sum_n dy[n,f] * x[n,c]; dy (N, F), x (N, C), dw (F, C)."""
    for f in range(dw.shape[0]):
        for c in range(dw.shape[1]):
            total = 0.0
            for n in range(x.shape[0]):
                total += np.float64(dy[n, f]) * np.float64(x[n, c])
            dw[f, c] = total


@kernel
def bias_gradient(dy, db):
    """db[f] = sum_n dy[n,f]; dy (N, F), db (F,)."""
    for f in range(db.size):
        total = 0.0
        for n in range(dy.shape[0]):
            total += np.float64(dy[n, f])
        db[f] = total

"""Linear layer by the register tiles of the matrix product; functions as in naive.

Sums, order and ownership are those of ``matmul.tiled`` and ``reduction.blocked``.
"""

from __future__ import annotations

from scratchconv.kernels.matmul import tiled as matrix
from scratchconv.kernels.reduction import blocked


def forward(x, w, b, y):
    """y[n,f] = b[f] + sum_c x[n,c] * w[f,c]. Cost: 2*N*F*C flop."""
    matrix.matmul_bias(x, w, False, True, b, y)


def input_gradient(dy, w, dx):
    """dx[n,c] = sum_f dy[n,f] * w[f,c]. Cost: 2*N*F*C flop."""
    matrix.matmul(dy, w, False, False, dx)


def weight_gradient(dy, x, dw):
    """dw[f,c] = sum_n dy[n,f] * x[n,c]. Cost: 2*N*F*C flop."""
    matrix.matmul(dy, x, True, False, dw)


def bias_gradient(dy, db):
    """db[f] = sum_n dy[n,f]. Cost: N*F flop, dy read once."""
    blocked.total(dy.reshape(1, *dy.shape), 1.0, db.reshape(1, -1))

"""Matrix product as three loops: the contract."""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import kernel


@kernel
def matmul(a, b, transpose_a, transpose_b, out):
    """out[m,n] = sum_k a[m,k] * b[k,n]

    a (M, K), or (K, M) if transpose_a; b (K, N), or (N, K) if transpose_b; out (M, N); C-contiguous float32/64.
    Sums in float64. K = 0 gives zeros.
    """
    rows, columns = out.shape
    depth = a.shape[0] if transpose_a else a.shape[1]
    for m in range(rows):
        for n in range(columns):
            total = 0.0
            for k in range(depth):
                left = a[k, m] if transpose_a else a[m, k]
                right = b[n, k] if transpose_b else b[k, n]
                total += np.float64(left) * np.float64(right)
            out[m, n] = total


@kernel
def matmul_bias(a, b, transpose_a, transpose_b, bias, out):
    """out[m,n] = bias[n] + sum_k a[m,k] * b[k,n]; bias (N,), the rest as in matmul."""
    rows, columns = out.shape
    depth = a.shape[0] if transpose_a else a.shape[1]
    for m in range(rows):
        for n in range(columns):
            total = np.float64(bias[n])
            for k in range(depth):
                left = a[k, m] if transpose_a else a[m, k]
                right = b[n, k] if transpose_b else b[k, n]
                total += np.float64(left) * np.float64(right)
            out[m, n] = total

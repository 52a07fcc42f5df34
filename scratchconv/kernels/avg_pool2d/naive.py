"""Average pooling as loops: the contract."""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import kernel


@kernel
def forward(x, kernel, stride, padding, count_padding, divisor, y):
    """y[n,i,j,c] = sum over (u,v) inside of x[n, i*s+u-p, j*s+v-p, c] / D(i,j); sums in float64.

    x (N,H,W,C) -> y (N,OH,OW,C), C-contiguous float32/64; kernel, stride and padding are (rows, columns).
    D(i,j) is ``divisor``; if that is 0, the taps of the window that are inside, or with ``count_padding`` inside or in
    the padding. Taps beyond the padding never count.
    """
    N, H, W, C = x.shape
    _, OH, OW, _ = y.shape
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for c in range(C):
                    total, taps = np.float64(0), 0
                    for h in range(i * stride[0] - padding[0], i * stride[0] - padding[0] + kernel[0]):
                        for w in range(j * stride[1] - padding[1], j * stride[1] - padding[1] + kernel[1]):
                            inside = 0 <= h < H and 0 <= w < W
                            if inside:
                                total += x[n, h, w, c]
                            if inside or (count_padding and h < H + padding[0] and w < W + padding[1]):
                                taps += 1
                    y[n, i, j, c] = total / (divisor if divisor != 0 else taps)


@kernel
def backward(dy, kernel, stride, padding, count_padding, divisor, dx):
    """dx[n,h,w,c] = sum of dy[n,i,j,c] / D(i,j) over the windows (i,j) that hold (h,w); sums in float64.

    dy (N,OH,OW,C), dx (N,H,W,C), C-contiguous float32/64; D as in forward.
    """
    N, H, W, C = dx.shape
    _, OH, OW, _ = dy.shape
    total = np.zeros(dx.shape, np.float64)
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                taps = 0
                for h in range(i * stride[0] - padding[0], i * stride[0] - padding[0] + kernel[0]):
                    for w in range(j * stride[1] - padding[1], j * stride[1] - padding[1] + kernel[1]):
                        inside = 0 <= h < H and 0 <= w < W
                        if inside or (count_padding and h < H + padding[0] and w < W + padding[1]):
                            taps += 1
                for h in range(max(0, i * stride[0] - padding[0]), min(H, i * stride[0] - padding[0] + kernel[0])):
                    for w in range(max(0, j * stride[1] - padding[1]), min(W, j * stride[1] - padding[1] + kernel[1])):
                        for c in range(C):
                            total[n, h, w, c] += dy[n, i, j, c] / np.float64(divisor if divisor != 0 else taps)
    dx[...] = total

"""Max pooling as loops: the contract."""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import kernel


@kernel
def forward(x, kernel, stride, padding, dilation, y):
    """y[n,i,j,c] = max over (u,v) inside of x[n, i*s+u*d-p, j*s+v*d-p, c]; NaN if the window holds one.

    x (N,H,W,C) -> y (N,OH,OW,C), C-contiguous float32/64; kernel, stride, padding and dilation are (rows, columns).
    A window without a tap inside gives -inf.
    """
    N, H, W, C = x.shape
    _, OH, OW, _ = y.shape
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for c in range(C):
                    best = -np.inf
                    for u in range(kernel[0]):
                        for v in range(kernel[1]):
                            h = i * stride[0] + u * dilation[0] - padding[0]
                            w = j * stride[1] + v * dilation[1] - padding[1]
                            if 0 <= h < H and 0 <= w < W:
                                value = x[n, h, w, c]
                                if value > best or np.isnan(value):
                                    best = value
                    y[n, i, j, c] = best


@kernel
def backward(x, dy, kernel, stride, padding, dilation, dx):
    """dx[n,h,w,c] = sum of dy[n,i,j,c] over the windows (i,j) that (h,w) wins; sums in float64.

    x and dx (N,H,W,C), dy (N,OH,OW,C), C-contiguous float32/64. The winner of a window is the tap that the rule of
    forward ends with: the first of its largest values, or its last NaN.
    """
    N, H, W, C = x.shape
    _, OH, OW, _ = dy.shape
    total = np.zeros(x.shape, np.float64)
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for c in range(C):
                    best, winner_h, winner_w = -np.inf, -1, -1
                    for u in range(kernel[0]):
                        for v in range(kernel[1]):
                            h = i * stride[0] + u * dilation[0] - padding[0]
                            w = j * stride[1] + v * dilation[1] - padding[1]
                            if 0 <= h < H and 0 <= w < W:
                                value = x[n, h, w, c]
                                if winner_h < 0 or value > best or np.isnan(value):
                                    best, winner_h, winner_w = value, h, w
                    if winner_h >= 0:
                        total[n, winner_h, winner_w, c] += dy[n, i, j, c]
    dx[...] = total

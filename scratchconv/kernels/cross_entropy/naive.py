"""Softmax and cross entropy in float64: the contract. All arrays C-contiguous; x (R, C) float32/64, C >= 1."""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import kernel


@kernel
def log_softmax(x, y):
    """y[r,c] = (x[r,c] - m) - log sum_j exp(x[r,j] - m), m = max_j x[r,j]; y (R, C)."""
    rows, classes = x.shape
    for r in range(rows):
        largest = np.float64(x[r, 0])
        for c in range(classes):
            largest = max(largest, np.float64(x[r, c]))
        total = 0.0
        for c in range(classes):
            total += np.exp(np.float64(x[r, c]) - largest)
        for c in range(classes):
            y[r, c] = (np.float64(x[r, c]) - largest) - np.log(total)


@kernel
def softmax(x, y):
    """y[r,c] = exp(x[r,c] - m) / sum_j exp(x[r,j] - m), m = max_j x[r,j]; y (R, C)."""
    rows, classes = x.shape
    for r in range(rows):
        largest = np.float64(x[r, 0])
        for c in range(classes):
            largest = max(largest, np.float64(x[r, c]))
        total = 0.0
        for c in range(classes):
            total += np.exp(np.float64(x[r, c]) - largest)
        for c in range(classes):
            y[r, c] = np.exp(np.float64(x[r, c]) - largest) / total


@kernel
def log_softmax_gradient(y, dy, dx):
    """dx[r,c] = dy[r,c] - exp(y[r,c]) * sum_j dy[r,j]; y is the result of log_softmax."""
    rows, classes = y.shape
    for r in range(rows):
        total = 0.0
        for c in range(classes):
            total += np.float64(dy[r, c])
        for c in range(classes):
            dx[r, c] = np.float64(dy[r, c]) - np.exp(np.float64(y[r, c])) * total


@kernel
def softmax_gradient(y, dy, dx):
    """dx[r,c] = y[r,c] * (dy[r,c] - sum_j dy[r,j] * y[r,j]); y is the result of softmax."""
    rows, classes = y.shape
    for r in range(rows):
        total = 0.0
        for c in range(classes):
            total += np.float64(dy[r, c]) * np.float64(y[r, c])
        for c in range(classes):
            dx[r, c] = np.float64(y[r, c]) * (np.float64(dy[r, c]) - total)


@kernel
def loss(x, target, weight, ignore_index, smoothing, logp, losses, totals):
    """losses[r] = -(1 - s) * weight[t] * logp[r,t] - (s / C) * sum_c weight[c] * logp[r,c], logp = log_softmax(x)

    t = target[r], s = smoothing; 0 where t = ignore_index, NaN where there is no class t. target (R,) int64, weight
    (C,), logp (R, C), losses (R,) float64; totals (3,) float64 = sum_r losses[r], sum_r weight[t], and the first row
    whose label is no class (-1: none).
    """
    rows, classes = logp.shape
    totals[:] = 0, 0, -1
    for r in range(rows):
        largest = np.float64(x[r, 0])
        for c in range(classes):
            largest = max(largest, np.float64(x[r, c]))
        total = 0.0
        for c in range(classes):
            total += np.exp(np.float64(x[r, c]) - largest)
        for c in range(classes):
            logp[r, c] = (np.float64(x[r, c]) - largest) - np.log(total)
        t = target[r]
        losses[r] = 0.0
        if t != ignore_index and not 0 <= t < classes:
            losses[r] = np.nan
            totals[2] = r if totals[2] < 0 else totals[2]
        elif t != ignore_index:
            spread = 0.0
            for c in range(classes):
                spread -= np.float64(weight[c]) * np.float64(logp[r, c])
            label = -np.float64(weight[t]) * np.float64(logp[r, t])
            losses[r] = label if smoothing == 0.0 else (1.0 - smoothing) * label + smoothing / classes * spread
            totals[1] += np.float64(weight[t])
        totals[0] += losses[r]


@kernel
def loss_gradient(logp, target, weight, ignore_index, smoothing, scale, dx):
    """dx[r,c] = scale[r] * (exp(logp[r,c]) * sum_j q[j] - q[c])

    q[c] = (1 - s) * weight[t] * [c = t] + (s / C) * weight[c], t and s as in loss; scale float64 is the gradient of
    losses, (R,) or one number for all, (1,); dx (R, C), 0 in rows with t = ignore_index.
    """
    rows, classes = logp.shape
    for r in range(rows):
        t = target[r]
        total = 0.0
        for c in range(classes):
            total += smoothing / classes * np.float64(weight[c])
        if t != ignore_index:
            total += (1.0 - smoothing) * np.float64(weight[t])
        for c in range(classes):
            q = smoothing / classes * np.float64(weight[c])
            if c == t:
                q += (1.0 - smoothing) * np.float64(weight[c])
            p = np.exp(np.float64(logp[r, c]))
            dx[r, c] = 0.0 if t == ignore_index else scale[r if scale.size > 1 else 0] * (p * total - q)

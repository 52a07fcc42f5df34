"""Softmax and cross entropy, rows in parallel; functions as in naive.

vs naive: exponentials in the dtype of the arrays, sums over a row still in float64, in order. Rows do not interact, so
any number of threads gives equal bits. Cost: about 3 elements moved and one exponential for each element.
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._jit import helper, threaded_kernel

BLOCK = 4096  # elements of one parallel piece, about


@threaded_kernel
def log_softmax(x, y):
    """See naive. Owns: piece i writes its block of rows of y."""
    pieces = _pieces(x)
    simd.run_tasks(_softmax_rows, pieces, x, y, True, pieces)


@threaded_kernel
def softmax(x, y):
    """See naive. Owns: piece i writes its block of rows of y."""
    pieces = _pieces(x)
    simd.run_tasks(_softmax_rows, pieces, x, y, False, pieces)


@threaded_kernel
def log_softmax_gradient(y, dy, dx):
    """See naive. Owns: piece i writes its block of rows of dx."""
    pieces = _pieces(y)
    simd.run_tasks(_log_softmax_gradient_rows, pieces, y, dy, dx, pieces)


@threaded_kernel
def softmax_gradient(y, dy, dx):
    """See naive. Owns: piece i writes its block of rows of dx."""
    pieces = _pieces(y)
    simd.run_tasks(_softmax_gradient_rows, pieces, y, dy, dx, pieces)


@threaded_kernel
def loss(x, target, weight, ignore_index, smoothing, logp, losses, totals):
    """See naive. Owns: piece i writes its block of rows of logp and of losses; the caller adds them up, in order."""
    pieces = _pieces(x)
    simd.run_tasks(_loss_rows, pieces, x, target, weight, ignore_index, smoothing, logp, losses, pieces)
    totals[:] = 0, 0, -1
    for r in range(losses.size):
        totals[0] += losses[r]
        if 0 <= target[r] < x.shape[1]:
            totals[1] += np.float64(weight[target[r]]) if target[r] != ignore_index else 0.0
        elif target[r] != ignore_index and totals[2] < 0:
            totals[2] = r


@threaded_kernel
def loss_gradient(logp, target, weight, ignore_index, smoothing, scale, dx):
    """See naive. Owns: piece i writes its block of rows of dx."""
    pieces = _pieces(logp)
    simd.run_tasks(_loss_gradient_rows, pieces, logp, target, weight, ignore_index, smoothing, scale, dx, pieces)


@helper
def _pieces(x):
    return min(x.shape[0], 1 + x.size // BLOCK)


@helper
def _softmax_rows(piece, x, y, logarithm, pieces):
    rows, classes = x.shape
    for r in range(piece * rows // pieces, (piece + 1) * rows // pieces):
        largest = x[r, 0]
        for c in range(1, classes):
            largest = max(largest, x[r, c])
        total = 0.0
        for c in range(classes):
            e = np.exp(x[r, c] - largest)
            y[r, c] = e
            total += np.float64(e)
        if logarithm:
            log_total = np.log(total)
            for c in range(classes):
                y[r, c] = (np.float64(x[r, c]) - np.float64(largest)) - log_total
        else:
            for c in range(classes):
                y[r, c] = np.float64(y[r, c]) / total


@helper
def _log_softmax_gradient_rows(piece, y, dy, dx, pieces):
    rows, classes = y.shape
    for r in range(piece * rows // pieces, (piece + 1) * rows // pieces):
        total = 0.0
        for c in range(classes):
            total += np.float64(dy[r, c])
        for c in range(classes):
            dx[r, c] = np.float64(dy[r, c]) - np.float64(np.exp(y[r, c])) * total


@helper
def _softmax_gradient_rows(piece, y, dy, dx, pieces):
    rows, classes = y.shape
    for r in range(piece * rows // pieces, (piece + 1) * rows // pieces):
        total = 0.0
        for c in range(classes):
            total += np.float64(dy[r, c]) * np.float64(y[r, c])
        for c in range(classes):
            dx[r, c] = np.float64(y[r, c]) * (np.float64(dy[r, c]) - total)


@helper
def _loss_rows(piece, x, target, weight, ignore_index, smoothing, logp, losses, pieces):
    rows, classes = logp.shape
    _softmax_rows(piece, x, logp, True, pieces)
    for r in range(piece * rows // pieces, (piece + 1) * rows // pieces):
        t = target[r]
        if t == ignore_index or not 0 <= t < classes:
            losses[r] = 0.0 if t == ignore_index else np.nan
            continue
        label = -np.float64(weight[t]) * np.float64(logp[r, t])
        if smoothing != 0.0:
            spread = 0.0
            for c in range(classes):
                spread -= np.float64(weight[c]) * np.float64(logp[r, c])
            label = (1.0 - smoothing) * label + smoothing / classes * spread
        losses[r] = label


@helper
def _loss_gradient_rows(piece, logp, target, weight, ignore_index, smoothing, scale, dx, pieces):
    rows, classes = logp.shape
    uniform = smoothing / classes
    spread = 0.0
    for c in range(classes):
        spread += uniform * np.float64(weight[c])
    for r in range(piece * rows // pieces, (piece + 1) * rows // pieces):
        t = target[r]
        if t == ignore_index:
            for c in range(classes):
                dx[r, c] = 0.0
            continue
        label = (1.0 - smoothing) * np.float64(weight[t])
        total = spread + label
        for c in range(classes):
            q = uniform * np.float64(weight[c]) + (label if c == t else 0.0)
            dx[r, c] = scale[r if scale.size > 1 else 0] * (np.float64(np.exp(logp[r, c])) * total - q)

"""Max pooling with vectors along channels; backward finds each window's winner again instead of storing it.

vs naive: parallel over images, a vector of channels at a time, windows in runs that see the same taps (_windows.py).
Why faster: every load is a full vector of consecutive channels, the best value and its tap number stay in registers,
and the inner loops check no bounds. The winning tap's number is a float, so that one comparison selects both.
"""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._copy import fill_zero
from scratchconv.kernels._jit import helper, threaded_kernel
from scratchconv.kernels._windows import (
    load_channels,
    offset_table,
    run_at,
    store_channels,
    tap_offsets,
    whole_windows,
    windows_overlap,
    windows_tile,
)
from scratchconv.kernels.max_pool2d import _pairs
from scratchconv.simd import lanes, lanes_of, maximum, run_tasks, select, splat


def forward(x, kernel, stride, padding, dilation, y):
    """See naive. Owns: image n writes y[n]. Cost: N*OH*OW*C*KH*KW compares; x is read and y written once."""
    if _in_pairs(x, kernel, stride, padding, dilation, y):
        _pairs.forward(x, y)
    else:
        _forward(x, kernel, stride, padding, dilation, y)


def backward(x, dy, kernel, stride, padding, dilation, dx):
    """See naive; windows are added in raster order, in the dtype of dx.

    Owns: image n writes dx[n]. Cost: the compares of forward and as many additions; x, dy and dx are moved once.
    """
    if _in_pairs(x, kernel, stride, padding, dilation, dy):
        _pairs.backward(x, dy, dx)
    else:
        _backward(x, dy, kernel, stride, padding, dilation, dx)


def _in_pairs(x, kernel, stride, padding, dilation, y):
    """Whether the kernels for whole 2×2 windows side by side apply."""
    usual = kernel == stride == (2, 2) and padding == (0, 0) and dilation == (1, 1)
    whole = x.shape[1] >= 2 * y.shape[1] and x.shape[2] >= 2 * y.shape[2]
    return usual and whole and x.shape[3] >= lanes(x.dtype)


@threaded_kernel
def _forward(x, kernel, stride, padding, dilation, y):
    run_tasks(_forward_image, x.shape[0], x, kernel, stride, padding, dilation, y)


@threaded_kernel
def _backward(x, dy, kernel, stride, padding, dilation, dx):
    run_tasks(_backward_image, x.shape[0], x, dy, kernel, stride, padding, dilation, dx)


@helper
def _forward_image(n, batch, kernel, stride, padding, dilation, out):
    x, y = batch[n], out[n]
    _, W, C = x.shape
    OH, OW, _ = y.shape
    steps = (dilation[0] * W * C, dilation[1] * C, stride[1] * C)
    whole = whole_windows(W, kernel[1], stride[1], padding[1], dilation[1], OW)
    table = offset_table(kernel, x.shape)
    for i in range(OH):
        j = 0
        while j < OW:
            first, taps, count = run_at(i, j, x.shape, kernel, stride, padding, dilation, whole)
            _largest(x, first, tap_offsets(taps, steps, table), steps[2], count, y, (i * OW + j) * C)
            j += count


@helper
def _backward_image(n, batch, gradients, kernel, stride, padding, dilation, out):
    """Windows that share no pixel store where others must add; windows that tile the image leave nothing to clear."""
    x, dy, dx = batch[n], gradients[n], out[n]
    _, W, C = x.shape
    OH, OW, _ = dy.shape
    steps = (dilation[0] * W * C, dilation[1] * C, stride[1] * C)
    whole = whole_windows(W, kernel[1], stride[1], padding[1], dilation[1], OW)
    table = offset_table(kernel, x.shape)
    overlap = windows_overlap(kernel, stride, dilation)
    if not windows_tile(x, dy, kernel, stride, padding, dilation):
        fill_zero(dx, 0, dx.size)
    for i in range(OH):
        j = 0
        while j < OW:
            first, taps, count = run_at(i, j, x.shape, kernel, stride, padding, dilation, whole)
            offsets = tap_offsets(taps, steps, table)
            _route(x, first, offsets, steps[2], count, dy, (i * OW + j) * C, overlap, dx)
            j += count


@helper
def _largest(x, at, offsets, step, count, y, out):
    """y[out:] = largest values of ``count`` windows, ``step`` apart; x[at] is the first tap of the first one."""
    C = x.shape[2]
    lanes = min(C, lanes_of(x))
    for k in range(count):
        for c in range(0, C, lanes):
            c = min(c, C - lanes)
            best = splat(x, -np.inf)
            for t in range(offsets.size):
                best = _larger(load_channels(x, at + k * step + c + offsets[t], lanes), best)
            store_channels(y, out + k * C + c, best, lanes)


@helper
def _larger(value, best):
    """``value`` where it is above ``best`` or NaN, else ``best`` (maximum keeps its second argument if unordered)."""
    return select(value == value, maximum(value, best), value)


@helper
def _route(x, at, offsets, step, count, dy, out, overlap, dx):
    """Send dy[out:] of ``count`` windows to their winners; every tap of a window is written."""
    C = x.shape[2]
    tail = C % lanes_of(x)
    for k in range(count):
        for c in range(0, C - tail, lanes_of(x)):
            _route_vector(x, at + k * step + c, offsets, dy, out + k * C + c, overlap, lanes_of(x), dx)
        if tail > 0:
            c = C - tail
            _route_vector(x, at + k * step + c, offsets, dy, out + k * C + c, overlap, tail, dx)


@helper
def _route_vector(x, first, offsets, dy, out, overlap, lanes, dx):
    """One vector of channels of one window; with ``lanes`` a constant where it is called, no branch remains."""
    winner = _winner(x, first, offsets, lanes)
    gradient = load_channels(dy, out, lanes)
    zero, one = splat(x, 0), splat(x, 1)
    number = zero
    for t in range(offsets.size):
        i = first + offsets[t]
        share = select(winner == number, gradient, zero)
        store_channels(dx, i, load_channels(dx, i, lanes) + share if overlap else share, lanes)
        number = number + one


@helper
def _winner(x, first, offsets, lanes):
    """Number of the tap that forward's rule ends with: the first largest value, or the last NaN."""
    best = splat(x, -np.inf)
    winner = splat(x, 0)
    number = winner
    for t in range(offsets.size):
        value = load_channels(x, first + offsets[t], lanes)
        better = _better(value, best)
        best = select(better, value, best)
        winner = select(better, number, winner)
        number = number + splat(x, 1)
    return winner


@helper
def _better(value, best):
    """Whether ``value`` takes the place of ``best``."""
    return (value > best) | (value != value)

"""Average pooling with vectors along channels.

vs naive: parallel over images, a vector of channels at a time, windows in runs that see the same taps (_windows.py);
sums in the dtype of x. Why faster: every load is a full vector of consecutive channels, the inner loops check no
bounds, and a window is summed in four independent parts, which is also four times closer to the exact sum.
"""

from __future__ import annotations

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
from scratchconv.simd import lanes_of, run_tasks, splat, store, store_partial

NEAREST = (1, 1)  # the taps of a window are neighbours: no dilation


@threaded_kernel
def forward(x, kernel, stride, padding, count_padding, divisor, y):
    """See naive. Owns: image n writes y[n]. Cost: N*OH*OW*C*KH*KW additions; x is read and y written once."""
    run_tasks(_forward_image, x.shape[0], x, kernel, stride, padding, count_padding, divisor, y)


@threaded_kernel
def backward(dy, kernel, stride, padding, count_padding, divisor, dx):
    """See naive; windows are added in raster order, in the dtype of dx.

    Owns: image n writes dx[n]. Cost: N*OH*OW*C*KH*KW additions; dy is read and dx written once.
    """
    run_tasks(_backward_image, dx.shape[0], dy, kernel, stride, padding, count_padding, divisor, dx)


@helper
def _forward_image(n, batch, kernel, stride, padding, count_padding, divisor, out):
    x, y = batch[n], out[n]
    _, W, C = x.shape
    OH, OW, _ = y.shape
    whole = whole_windows(W, kernel[1], stride[1], padding[1], 1, OW)
    table = offset_table(kernel, x.shape)
    for i in range(OH):
        j = 0
        while j < OW:
            first, taps, count = run_at(i, j, x.shape, kernel, stride, padding, NEAREST, whole)
            offsets = tap_offsets(taps, (W * C, C), table)
            parts = divisor
            if divisor == 0:
                parts = _parts(i, j, x.shape, kernel, stride, padding) if count_padding else offsets.size
            _mean(x, first, offsets, stride[1] * C, count, parts, y, (i * OW + j) * C)
            j += count


@helper
def _backward_image(n, gradients, kernel, stride, padding, count_padding, divisor, out):
    """Windows that share no pixel store where others must add; windows that tile the image leave nothing to clear."""
    dy, dx = gradients[n], out[n]
    _, W, C = dx.shape
    OH, OW, _ = dy.shape
    whole = whole_windows(W, kernel[1], stride[1], padding[1], 1, OW)
    table = offset_table(kernel, dx.shape)
    overlap = windows_overlap(kernel, stride, NEAREST)
    if not windows_tile(dx, dy, kernel, stride, padding, NEAREST):
        fill_zero(dx, 0, dx.size)
    for i in range(OH):
        j = 0
        while j < OW:
            first, taps, count = run_at(i, j, dx.shape, kernel, stride, padding, NEAREST, whole)
            offsets = tap_offsets(taps, (W * C, C), table)
            parts = divisor
            if divisor == 0:
                parts = _parts(i, j, dx.shape, kernel, stride, padding) if count_padding else offsets.size
            _share(dy, (i * OW + j) * C, count, parts, offsets, overlap, dx, first, stride[1] * C)
            j += count


@helper
def _parts(i, j, shape, kernel, stride, padding):
    """Taps of window (i, j) that are inside the image or its padding."""
    h, w = i * stride[0] - padding[0], j * stride[1] - padding[1]
    rows = min(h + kernel[0], shape[0] + padding[0]) - h
    columns = min(w + kernel[1], shape[1] + padding[1]) - w
    return rows * columns


@helper
def _mean(x, at, offsets, step, count, parts, y, out):
    """y[out:] = sums of ``count`` windows, ``step`` apart, over ``parts``; x[at] is the first tap of the first one."""
    C = x.shape[2]
    scale = splat(x, parts)
    tail = C % lanes_of(x)
    for k in range(count):
        for c in range(0, C - tail, lanes_of(x)):
            store(y, out + k * C + c, _sum(x, at + k * step + c, offsets, lanes_of(x)) / scale)
        if tail > 0:
            c = C - tail
            store_partial(y, out + k * C + c, _sum(x, at + k * step + c, offsets, tail) / scale, tail)


@helper
def _sum(x, first, offsets, lanes):
    """Sum of the taps of one window: four partial sums, which do not wait for each other."""
    a, b, c, d = splat(x, 0), splat(x, 0), splat(x, 0), splat(x, 0)
    whole = offsets.size - offsets.size % 4
    for t in range(0, whole, 4):
        a = a + load_channels(x, first + offsets[t], lanes)
        b = b + load_channels(x, first + offsets[t + 1], lanes)
        c = c + load_channels(x, first + offsets[t + 2], lanes)
        d = d + load_channels(x, first + offsets[t + 3], lanes)
    for t in range(whole, offsets.size):
        a = a + load_channels(x, first + offsets[t], lanes)
    return (a + b) + (c + d)


@helper
def _share(dy, out, count, parts, offsets, overlap, dx, at, step):
    """Give each tap of ``count`` windows its part of dy[out:]."""
    C = dx.shape[2]
    tail = C % lanes_of(dx)
    for k in range(count):
        for c in range(0, C - tail, lanes_of(dx)):
            _share_vector(dy, out + k * C + c, parts, offsets, overlap, lanes_of(dx), dx, at + k * step + c)
        if tail > 0:
            c = C - tail
            _share_vector(dy, out + k * C + c, parts, offsets, overlap, tail, dx, at + k * step + c)


@helper
def _share_vector(dy, out, parts, offsets, overlap, lanes, dx, first):
    """One vector of channels of one window; with ``lanes`` a constant where it is called, no branch remains."""
    part = load_channels(dy, out, lanes) / splat(dy, parts)
    for t in range(offsets.size):
        i = first + offsets[t]
        store_channels(dx, i, load_channels(dx, i, lanes) + part if overlap else part, lanes)

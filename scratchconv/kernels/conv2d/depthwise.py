"""Depthwise convolution (groups = C = F): every channel has its own filter, so nothing is reduced over channels.

An outer product has nothing to share here: a filter's numbers serve one channel only. Instead, the lanes of a vector
are channels on both sides, ``acc[pixel, lane] += x[pixel + tap, lane] * w[tap, lane]``. With a vector load for each FMA
these kernels are bound by loads and by memory, not by arithmetic; where the taps of neighbouring pixels are neighbours,
a tile loads each pixel of a kernel row once for all its taps. A padded copy of the source would cost as much again, so
the image is read in place: columns whose taps all lie inside it go by in tiles, the others one by one.

Fewer channels than a vector has lanes are left to direct, which merges groups.

Source: Howard et al., MobileNets, arXiv:1704.04861, section 3.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scratchconv import simd
from scratchconv.kernels._jit import helper, inner, threaded_kernel
from scratchconv.kernels.conv2d import direct
from scratchconv.kernels.conv2d._axis import COUNT, FIRST, GAP, LAST, SHIFT, TAP, TAP_GAP, axis, positions, reach
from scratchconv.kernels.conv2d._depthwise_grad import panel_channels, weight_grad
from scratchconv.kernels.conv2d._plan import forward_direction, input_grad_direction
from scratchconv.kernels.conv2d._source import goes_past_caches
from scratchconv.kernels.conv2d._weight_grad import bias_grad

__all__ = ["bias_grad", "forward", "input_grad", "weight_grad"]

CHUNKS = 64  # result rows are dealt to at most so many tasks
_MOST_TAPS = 5  # of a kernel row whose weights, too, are in registers
_ROWS = {2: (6, 5), 1: (9, 12)}  # pixels of a tile by its vectors; more are no faster
_EDGE = 8  # vectors of a tile of one pixel: it shares nothing, and should at least begin seldom


@inner
def _stretch(shape, x, xi, following, row, columns, first, last, channels, w, bias, past, y, yi):
    """The pixels of all phases at the positions ``first`` to ``last - 1`` of a row, in tiles; the last tile overlaps."""
    simd.keep_apart()
    offsets = simd.grid_offsets(shape, 1, columns.step * channels, 0)
    where = simd.grid_offsets(shape, 1, columns.spread * channels, 0)
    ahead, stop_ahead = following
    steps = (last - first + shape.rows - 1) // shape.rows * ((channels + shape.width - 1) // shape.width) * columns.phases.shape[0]
    pace = ((stop_ahead - ahead) // shape.lanes + steps - 1) // max(1, steps)
    for stop in range(first + shape.rows, last + shape.rows, shape.rows):
        j = min(stop, last) - shape.rows
        for phase in range(columns.phases.shape[0]):
            if j >= positions(columns, phase):
                continue
            gap, w_gap = columns.phases[phase, GAP] * channels, columns.phases[phase, TAP_GAP] * channels
            begin, end = reach(columns, phase, j)
            at = xi + row[0] + (j * columns.step + columns.phases[phase, SHIFT]) * channels + begin * gap
            tap = row[3] + columns.phases[phase, TAP] * channels + begin * w_gap
            to = yi + (j * columns.spread + phase) * channels
            for end_of_panel in range(shape.width, channels + shape.width, shape.width):
                c = min(end_of_panel, channels) - shape.width
                acc = simd.spread(shape, bias, c)
                for u in range(row[2]):
                    xk, wk = at + c + u * row[1], tap + c + u * row[4]
                    if shape.taps > 1:  # a load for each pixel of a stretch of neighbours, not for each of their taps
                        acc = simd.lane_fma_row(shape, acc, x, simd.opaque(xk), channels, w, wk, w_gap)
                    else:
                        for _ in range(end - begin):
                            acc = simd.lane_fma(acc, x, simd.opaque(xk), offsets, w, wk)
                            xk += gap
                            wk += w_gap
                for _ in range(pace):
                    simd.prefetch(x, ahead)
                    ahead = min(ahead + shape.lanes, stop_ahead)
                if past:
                    simd.tile_stream(acc, y, to + c, where)
                else:
                    simd.tile_store(acc, y, to + c, where)


@inner
def _tap_rows(rows, phase, i, line, kw, width):
    """The tap rows inside the image: elements of x to the first, and from one to the next, their number, those of w."""
    begin, end = reach(rows, phase, i)
    gap, tap_gap = rows.phases[phase, GAP] * line, rows.phases[phase, TAP_GAP] * kw * width
    first = rows.phases[phase, SHIFT] * line + begin * gap
    return first, gap, end - begin, rows.phases[phase, TAP] * kw * width + begin * tap_gap, tap_gap


@inner
def _stop(rows, r):
    n, h = r // rows.result, r % rows.result
    phase = h % rows.spread
    last = h // rows.spread * rows.step + rows.phases[phase, SHIFT] + (rows.phases[phase, COUNT] - 1) * rows.phases[phase, GAP]
    return n * rows.source + min(rows.source, last + 1)


@helper
def _work(task, tasks, shape, single, x, batch, rows, columns, channels, kernel, w, bias, inside, past, y):
    """Compute the result rows of one task."""
    count, line = batch * rows.result, columns.source * channels
    first, last = inside
    for r in range(task * count // tasks, (task + 1) * count // tasks):
        n, h = r // rows.result, r % rows.result
        i = h // rows.spread
        row = _tap_rows(rows, h % rows.spread, i, line, kernel[1], channels)
        following = _stop(rows, r) * line, min(_stop(rows, r + 1), batch * rows.source) * line
        xi, yi = (n * rows.source + i * rows.step) * line, r * columns.result * channels
        _stretch(single, x, xi, (0, 0), row, columns, 0, first, channels, w, bias, past, y, yi)
        _stretch(shape, x, xi, following, row, columns, first, last, channels, w, bias, past, y, yi)
        _stretch(single, x, xi, (0, 0), row, columns, last, positions(columns, 0), channels, w, bias, past, y, yi)
    if past:
        simd.settle()


@threaded_kernel
def _run(shape, single, x, batch, rows, columns, channels, kernel, w, bias, inside, past, y):
    """y[n,·,·,c] = bias[c] + Σ_t x[n, tap t of the pixel, c] * w[t,c]; see naive.forward, input_grad

    x, y flat NHWC of ``batch`` images, rows and columns Axis, kernel (KH, KW); Panels of the width of ``shape``, whose
    taps lie inside the image, and of ``single``. Owns: a worker writes whole rows of results. Cost: 2 flop a tap and
    result, a load of x each, or one for a kernel row; reads x about KH times, from cache but for the first.
    """
    tasks = min(batch * rows.result, CHUNKS)
    simd.run_tasks(_work, tasks, tasks, shape, single, x, batch, rows, columns, channels, kernel, w, bias, inside, past, y)


def _shared_taps(columns, taps):
    """The taps of a kernel row that meet neighbouring pixels, and may share the loads of a tile; 1 if they do not."""
    neighbours = (columns.step, columns.spread, columns.phases[0, GAP]) == (1, 1, 1)
    return taps if neighbours and taps <= _MOST_TAPS else 1


def _launch(x, w, bias, y, directions):
    """Choose tiles, lay the weights out, run."""
    channels, lanes = x.shape[3], simd.lanes(x.dtype)
    rows, columns = (axis(direction) for direction in directions)
    first = min(int(np.max(columns.phases[:, FIRST])), columns.result)
    last = int(np.min(columns.phases[:, LAST]))
    vecs = 2 if channels >= 2 * lanes else 1
    high = min(_ROWS[vecs], key=lambda n: -(-(last - first) // n) * n)
    if last - first < high:
        first, last = 0, 0
    shape = simd.TileShape(high, vecs, x.dtype, taps=_shared_taps(columns, w.shape[1]))
    single = simd.TileShape(1, min(_EDGE, channels // lanes), x.dtype)
    _run(shape, single, x.reshape(-1), len(x), rows, columns, channels, w.shape[:2], w.reshape(-1), bias, (first, last), goes_past_caches(y, channels), y.reshape(-1))


def forward(x, w, b, stride, padding, dilation, groups, y):
    """As naive.forward with groups = C = F."""
    if x.shape[3] < simd.lanes(x.dtype):
        direct.forward(x, w, b, stride, padding, dilation, groups, y)
        return
    dims = zip(x.shape[1:3], y.shape[1:3], w.shape[:2], stride, padding, dilation, strict=True)
    _launch(x, w, b, y, [forward_direction(*dim) for dim in dims])


def input_grad(dy, w, stride, padding, dilation, groups, dx):
    """As naive.input_grad with groups = C = F."""
    if dx.shape[3] < simd.lanes(dx.dtype):
        direct.input_grad(dy, w, stride, padding, dilation, groups, dx)
        return
    dims = zip(dx.shape[1:3], dy.shape[1:3], w.shape[:2], stride, padding, dilation, strict=True)
    _launch(dy, w, np.zeros(dx.shape[3], dx.dtype), dx, [input_grad_direction(*dim) for dim in dims])

"""Depthwise convolution (groups = C = F): every channel has its own filter, so nothing is reduced over channels.

An outer product has nothing to share here: a filter's numbers serve one channel only. Instead, the lanes of a vector
are channels on both sides, ``acc[pixel, lane] += x[pixel + tap, lane] * w[tap, lane]``. With a vector load for each FMA
these kernels are bound by loads and by memory, not by arithmetic; where the taps of neighbouring pixels are neighbours,
a tile loads each pixel of a kernel row once for all its taps. A padded copy of the source would cost as much again, so
the image is read in place: columns whose taps all lie inside it go by in tiles, the others one by one.

Memory is read and written in the order in which it lies there: a row from left to right, all phases (see _plan) of a
tile's pixels, all channels. The row below is fetched meanwhile.

Fewer channels than a vector has lanes are left to direct, which merges groups.

Source: Howard et al., MobileNets, arXiv:1704.04861, section 3.1.
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._jit import helper, inner, threaded_kernel
from scratchconv.kernels.conv2d import direct
from scratchconv.kernels.conv2d._axis import FIRST, GAP, LAST, SHIFT, TAP, TAP_GAP, axis, positions, reach
from scratchconv.kernels.conv2d._depthwise_grad import weight_grad
from scratchconv.kernels.conv2d._plan import forward_direction, input_grad_direction
from scratchconv.kernels.conv2d._source import goes_past_caches
from scratchconv.kernels.conv2d._weight_grad import bias_grad

__all__ = ["bias_grad", "forward", "input_grad", "weight_grad"]

CHUNKS = 64  # result rows are dealt to at most so many tasks
_MOST_TAPS = 5  # of a kernel row whose weights, too, are in registers
_ROWS = {2: (6, 5), 1: (9, 12)}  # pixels of a tile by its vectors; more are no faster
_EDGE = 8  # vectors of a tile of one pixel: it shares nothing, and should at least begin seldom


@inner
def _stretch(shape, x, xi, row, columns, first, last, channels, w, bias, y, yi, past):
    """Compute the pixels at the positions ``first`` to ``last - 1`` of a row, tile by tile; the last tile overlaps.

    All their taps lie inside the image, or the tile is one pixel wide. ``row`` is as _tap_rows returns it.
    """
    simd.keep_apart()
    phases, step, spread = columns.phases.shape[0], columns.step * channels, columns.spread * channels
    for stop in range(first + shape.rows, last + shape.rows, shape.rows):
        j = min(stop, last) - shape.rows
        for phase in range(phases):
            begin, end = reach(columns, phase, j)
            gap, w_gap = columns.phases[phase, GAP] * channels, columns.phases[phase, TAP_GAP] * channels
            at = xi + row[0] + j * step + columns.phases[phase, SHIFT] * channels + begin * gap
            wi, to = row[3] + columns.phases[phase, TAP] * channels + begin * w_gap, yi + j * spread + phase * channels
            below = row[2] * row[1] if phase == phases - 1 else 0
            if j < positions(columns, phase):
                _tile(shape, x, at, row, below, step, end - begin, gap, channels,
                      w, wi, w_gap, bias, y, to, spread, columns.result * channels, past)  # fmt: skip


@inner
def _tile(shape, x, xi, row, below, step, taps, gap, channels, w, wi, w_gap, bias, y, yi, spread, y_line, past):
    """All channels of a tile's pixels, which are ``step`` apart in x and ``spread`` in y; the last panel overlaps."""
    offsets, where = simd.grid_offsets(shape, 1, step, 0), simd.grid_offsets(shape, 1, spread, 0)
    for stop in range(shape.width, channels + shape.width, shape.width):
        c = min(stop, channels) - shape.width
        acc = simd.spread(shape, bias, c)
        for u in range(row[2]):
            xk, wk = xi + c + u * row[1], wi + c + u * row[4]
            if shape.taps > 1:  # a load for each pixel of a stretch of neighbours, not for each of their taps
                acc = simd.lane_fma_row(shape, acc, x, simd.opaque(xk), channels, w, wk, w_gap)
            else:
                for _ in range(taps):
                    acc = simd.lane_fma(acc, x, simd.opaque(xk), offsets, w, wk)
                    xk += gap
                    wk += w_gap
        if below:
            _fetch(shape, x, xi + c + below, step)
        if past:
            simd.tile_stream(acc, y, yi + c, where)
        else:
            _fetch(shape, y, yi + c + y_line, spread)
            simd.tile_store(acc, y, yi + c, where)


@inner
def _fetch(shape, x, i, step):
    """Ask for a tile."""
    for r in range(shape.rows):
        for v in range(0, shape.width, shape.lanes):
            simd.prefetch(x, i + r * step + v)


@inner
def _tap_rows(rows, h, line, tap_line):
    """The tap rows of result row ``h``, as far as they lie inside the image.

    Returns how far in x the first lies from the image, and each from the one before; their number; the same of w.
    """
    i, phase = h // rows.spread, h % rows.spread
    begin, end = reach(rows, phase, i)
    gap, tap_gap = rows.phases[phase, GAP] * line, rows.phases[phase, TAP_GAP] * tap_line
    first = (i * rows.step + rows.phases[phase, SHIFT]) * line + begin * gap
    return first, gap, end - begin, rows.phases[phase, TAP] * tap_line + begin * tap_gap, tap_gap


@helper
def _work(task, tasks, shape, single, x, batch, rows, columns, inside, channels, w, tap_line, bias, y, past):
    """Compute the result rows of one task."""
    count, line, ends = batch * rows.result, columns.source * channels, (0, *inside, positions(columns, 0))
    for r in range(task * count // tasks, (task + 1) * count // tasks):
        row = _tap_rows(rows, r % rows.result, line, tap_line)
        xi, yi = r // rows.result * rows.source * line, r * columns.result * channels
        _stretch(single, x, xi, row, columns, ends[0], ends[1], channels, w, bias, y, yi, past)
        _stretch(shape, x, xi, row, columns, ends[1], ends[2], channels, w, bias, y, yi, past)
        _stretch(single, x, xi, row, columns, ends[2], ends[3], channels, w, bias, y, yi, past)
    if past:
        simd.settle()


@threaded_kernel
def _run(shape, single, x, rows, columns, inside, channels, w, tap_line, bias, y, past):
    """y[n,·,·,c] = bias[c] + Σ_t x[n, tap t of the pixel, c] * w[t,c]; see naive.forward, input_grad

    x, y flat NHWC, w (taps, C) flat, ``tap_line`` of it a kernel row; rows and columns Axis. At the positions from the
    first to that before the second of ``inside`` all taps lie in the image; tiles are of ``shape`` there, else
    ``single``. Owns: a worker writes whole rows of results, past the caches if ``past``. Cost: 2 flop a tap and result,
    a load of x each, or one for a kernel row; reads x about KH times, from cache but for the first.
    """
    batch = y.size // (rows.result * columns.result * channels)
    tasks = min(batch * rows.result, CHUNKS)
    simd.run_tasks(
        _work, tasks, tasks, shape, single, x, batch, rows, columns, inside, channels, w, tap_line, bias, y, past
    )


def _launch(x, w, bias, y, directions):
    """Choose tiles and run."""
    channels, lanes = x.shape[3], simd.lanes(x.dtype)
    rows, columns = (axis(direction) for direction in directions)
    first, last = int(columns.phases[:, FIRST].max()), int(columns.phases[:, LAST].min())
    shape = _choose_tile(columns, last - first, w.shape[1], channels, x.dtype)
    inside = (first, last) if last - first >= shape.rows else (0, 0)
    single = simd.TileShape(1, min(_EDGE, channels // lanes), x.dtype)
    past = int(goes_past_caches(y, channels))
    _run(shape, single, x.reshape(-1), rows, columns, inside, channels,
         w.reshape(-1), w.shape[1] * channels, bias, y.reshape(-1), past)  # fmt: skip


def _choose_tile(columns, pixels, taps, channels, dtype):
    """The tile for so many ``pixels`` of a row; it shares loads between taps that meet neighbouring pixels."""
    neighbours = (columns.step, columns.spread, columns.phases[0, GAP]) == (1, 1, 1)
    taps = taps if neighbours and taps <= _MOST_TAPS else 1
    vecs = 2 if channels >= 2 * simd.lanes(dtype) else 1
    rows = min(_ROWS[vecs], key=lambda n: -(-pixels // n) * n)
    return simd.TileShape(rows, vecs, dtype, taps=taps)


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

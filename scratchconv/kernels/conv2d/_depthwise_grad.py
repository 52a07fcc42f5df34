"""Weight gradient of the depthwise algorithm.

A tile's rows are the taps of one kernel row: dy of a pixel meets KW neighbours of x. Pixels of the columns where all
these taps lie inside the image go by in rows; the few other columns go by one at a time, a tap at a time.
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._copy import fill_zero
from scratchconv.kernels._jit import helper, inner, threaded_kernel
from scratchconv.kernels.conv2d import _weight_grad
from scratchconv.kernels.conv2d._axis import FIRST, GAP, LAST, SHIFT, axis, reach
from scratchconv.kernels.conv2d._merge import merge
from scratchconv.kernels.conv2d._plan import forward_direction

CHUNKS = 16  # partial sums of dw
FEW, WORTH = 4, 256  # chunks there are anyway, and pixels that are worth a further one
PIXELS = 256  # of a work item, about
_VECS = ((4, 1.0), (2, 0.8), (1, 0.5))  # vectors of a tile and its speed: short tiles wait for their sums


@inner
def _sum(shape, x, xi, x_line, step, tap_step, dy, di, dy_line, channels, rows, first, last):
    """acc[r, l] = Σ x[xi + i * x_line + j * step + r * tap_step + l] * dy[di + i * dy_line + j * channels + l]

    The sum over rows i of the range ``rows`` and columns j from ``first`` to ``last - 1``.
    """
    acc = simd.zeros(shape)
    taps = simd.grid_offsets(shape, 1, tap_step, 0)
    for i in range(rows[0], rows[1]):
        for j in range(first, last):
            at = simd.opaque(xi + i * x_line + j * step)
            acc = simd.lane_fma(acc, x, at, taps, dy, di + i * dy_line + j * channels)
    return acc


@inner
def _add(shape, acc, total, at, pitch):
    rows = simd.grid_offsets(shape, 1, pitch, 0)
    simd.tile_store(acc + simd.tile_load(shape, total, at, rows), total, at, rows)


@inner
def _inside(shape, x, xi, x_line, dy, di, dy_line, columns, channels, rows, total, at, pitch):
    """Add the gradient of a kernel row's taps, from the columns where all of them lie inside the image."""
    simd.keep_apart()
    step, gap = columns.step * channels, columns.phases[0, GAP] * channels
    first, last = columns.phases[0, FIRST], columns.phases[0, LAST]
    _add(shape, _sum(shape, x, xi, x_line, step, gap, dy, di, dy_line, channels, rows, first, last), total, at, pitch)


@inner
def _beside(single, x, xi, x_line, dy, di, dy_line, columns, channels, rows, total, at, pitch):
    """The same from the other columns, one by one and a tap at a time."""
    simd.keep_apart()
    step, gap = columns.step * channels, columns.phases[0, GAP] * channels
    first, last = columns.phases[0, FIRST], columns.phases[0, LAST]
    for j in range(columns.result):
        if first <= j < last:
            continue
        begin, end = reach(columns, 0, j)
        for v in range(begin, end):
            one = _sum(single, x, xi + v * gap, x_line, step, 0, dy, di, dy_line, channels, rows, j, j + 1)
            _add(single, one, total, at + v * pitch, pitch)


@inner
def _item(shape, single, x, dy, item, high, rows, columns, channels, taps, panels, total, at):
    """Add the gradient of one strip of ``high`` result rows of an image, for all panels of channels."""
    strips = (rows.result + high - 1) // high
    n, top = item // strips, item % strips * high
    line, dy_line, pitch = columns.source * channels, columns.result * channels, panels * shape.width
    for p in range(panels):
        c = min(p * shape.width, channels - shape.width)
        for u in range(taps // shape.rows):
            tap = rows.phases[0, SHIFT] + u * rows.phases[0, GAP]
            begin = max(top, (rows.step - 1 - tap) // rows.step)
            end = min(min(top + high, rows.result), (rows.source - 1 - tap) // rows.step + 1)
            xi = (n * rows.source + tap) * line + columns.phases[0, SHIFT] * channels + c
            di, to = n * rows.result * dy_line + c, at + u * shape.rows * pitch + p * shape.width
            if begin < end:
                _inside(shape, x, xi, rows.step * line, dy, di, dy_line, columns, channels, (begin, end),
                        total, to, pitch)  # fmt: skip
                _beside(single, x, xi, rows.step * line, dy, di, dy_line, columns, channels, (begin, end),
                        total, to, pitch)  # fmt: skip


@helper
def _work(chunk, chunks, shape, single, x, dy, items, high, rows, columns, channels, taps, panels, total):
    """total[chunk] = the gradient of its work items."""
    size = panels * taps * shape.width
    fill_zero(total, chunk * size, size)
    for item in range(chunk * items // chunks, (chunk + 1) * items // chunks):
        _item(shape, single, x, dy, item, high, rows, columns, channels, taps, panels, total, chunk * size)


@threaded_kernel
def _run(shape, single, x, dy, items, high, rows, columns, channels, taps, totals):
    """totals[chunk, t, :] = Σ over the chunk's pixels of x at tap t times dy, in panels; see naive.weight_grad

    x, dy flat NHWC, rows and columns Axis; totals (chunks, taps * panels * width). The last panel of channels overlaps
    the one before; its numbers stand beside the others.
    Owns: a worker writes totals[chunk]. Cost: 2 flop a tap and pixel; x and dy are read KH times, mostly from cache.
    """
    chunks, panels, flat = totals.shape[0], totals.shape[1] // (taps * shape.width), totals.reshape(-1)
    simd.run_tasks(
        _work, chunks, chunks, shape, single, x, dy, items, high, rows, columns, channels, taps, panels, flat
    )


def weight_grad(x, dy, stride, padding, dilation, groups, dw):
    """As naive.weight_grad with groups = C = F."""
    (kh, kw), channels, lanes = dw.shape[:2], x.shape[3], simd.lanes(x.dtype)
    if channels < lanes:
        _weight_grad.weight_grad(x, dy, stride, padding, dilation, groups, dw)
        return
    dims = zip(x.shape[1:3], dy.shape[1:3], dw.shape[:2], stride, padding, dilation, strict=True)
    rows, columns = (axis(forward_direction(*dim)) for dim in dims)
    high = max(1, PIXELS // dy.shape[2])
    items = len(x) * -(-dy.shape[1] // high)
    vecs = _choose_vecs(kw, channels, lanes)
    shape, single = simd.TileShape(kw, vecs, x.dtype), simd.TileShape(1, vecs, x.dtype)
    chunks = max(1, min(CHUNKS, items, max(FEW, len(x) * dy.shape[1] * dy.shape[2] // WORTH)))
    pitch = -(-channels // shape.width) * shape.width
    totals = np.empty((chunks, kh * kw * pitch), x.dtype)
    _run(shape, single, x.reshape(-1), dy.reshape(-1), items, high, rows, columns, channels, kh * kw, totals)
    if pitch == channels:
        merge(totals, dw.reshape(-1))
        return
    merged, result = np.empty((kh * kw, pitch), x.dtype), dw.reshape(kh * kw, channels)
    merge(totals, merged.reshape(-1))
    result[:, : pitch - shape.width] = merged[:, : pitch - shape.width]
    result[:, -shape.width :] = merged[:, -shape.width :]


def _choose_vecs(taps, channels, lanes):
    """Vectors of a tile of ``taps`` rows: those that cover the channels in the least time and fit the registers."""
    most = min(channels // lanes, simd.vector_registers() * 3 // 4 // taps)
    fitting = [entry for entry in _VECS if entry[0] <= max(1, most)]
    vecs, _ = min(fitting, key=lambda entry: -(-channels // (entry[0] * lanes)) * entry[0] / entry[1])
    return vecs

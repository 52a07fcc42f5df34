"""Weights in the order in which the direct kernels read them: panels as wide as a tile, padded with zeros."""

from __future__ import annotations

import functools

import numpy as np

from scratchconv import simd
from scratchconv.kernels import _tape
from scratchconv.kernels._jit import inner, threaded_kernel

ROWS = 64  # rows that a task copies: all panels find them in L2


@inner
def _copy_column(w, rows, first, last, column, live, width, flat, o):
    """One vector of each row, from row ``first`` to the one before ``last``."""
    simd.keep_apart()
    if live >= simd.lanes_of(w):
        for r in range(first, last):
            simd.store(flat, o + r * width, simd.load(w, rows[r] + column))
    else:
        for r in range(first, last):
            simd.store(flat, o + r * width, simd.load_partial(w, rows[r] + column, live))


@inner
def _copy_rows(task, w, rows, group_step, lanes, width, per_group, tasks, flat):
    """Some rows of all panels of a group; their lanes are neighbours in w."""
    group, first = task // tasks, task % tasks * ROWS
    last = min(first + ROWS, rows.size)
    for p in range(per_group):
        o = (group * per_group + p) * rows.size * width
        for v in range(0, width, simd.lanes_of(w)):
            lane = p * width + v
            _copy_column(w, rows, first, last, group * group_step + lane, lanes - lane, width, flat, o + v)


@inner
def _transpose_rows(square, w, rows, first, lane_step, width, panel, o, n):
    """The ``n`` first rows, in squares: their elements are neighbours in w, their lanes ``lane_step`` apart."""
    simd.keep_apart()
    sources, targets = simd.grid_offsets(square, 1, lane_step, 0), simd.grid_offsets(square, 1, width, 0)
    for r in range(0, n, square.rows):
        tile = simd.tile_load(square, w, rows[r] + first, sources)
        simd.tile_store(simd.transpose(tile), panel, o + r * width, targets)


@inner
def _pick_rows(w, rows, first, lane_step, live, width, panel, o):
    """Any rows and lanes, one number at a time."""
    for r in range(rows.size):
        for lane in range(live):
            panel[o + r * width + lane] = w[rows[r] + first + lane * lane_step]
        for lane in range(live, width):
            panel[o + r * width + lane] = 0


@inner
def _pack_panel(task, square, w, rows, lane_step, group_step, lanes, width, squares, per_group, flat):
    """One panel whose lanes lie apart in w."""
    p, o = task % per_group * width, task * rows.size * width
    live, first = min(width, lanes - p), task // per_group * group_step + p * lane_step
    if squares and live == width:
        for v in range(0, width, square.rows):
            _transpose_rows(square, w, rows, first + v * lane_step, lane_step, width, flat, o + v, rows.size)
    else:
        _pick_rows(w, rows, first, lane_step, live, width, flat, o)


@threaded_kernel
def _run(square, w, rows, lane_step, group_step, lanes, width, squares, panels):
    """See ``pack``."""
    groups, per_group, flat = panels.shape[0], panels.shape[1], panels.reshape(-1)
    if lane_step == 1:
        tasks = (rows.size + ROWS - 1) // ROWS
        simd.run_tasks(_copy_rows, groups * tasks, w, rows, group_step, lanes, width, per_group, tasks, flat)
    else:
        tasks = groups * per_group
        simd.run_tasks(
            _pack_panel, tasks, square, w, rows, lane_step, group_step, lanes, width, squares, per_group, flat
        )


def pack(w, rows, neighbours, lane_step, group_step, lanes, width, panels):
    """panels[g, p, r, l] = w[rows[r] + g * group_step + (p * width + l) * lane_step], 0 where p * width + l >= lanes

    w any flat array, rows (R,) int64 flat offsets, of which each ``neighbours`` follow each other without gap;
    panels (G, P, R, width), width a multiple of a vector. Owns: a task writes one panel, or some rows of all panels of
    a group. Cost: one read and one write a weight.
    """
    square = simd.TileShape(simd.lanes(w.dtype), 1, w.dtype)
    squares = neighbours % square.rows == 0 and width % square.rows == 0
    _run(square, w, rows, lane_step, group_step, lanes, width, squares, panels)


def turned(w):
    """Kernels for the input gradient: (KH, KW, F, C), rotated by half a turn."""
    return w[::-1, ::-1].transpose(0, 1, 3, 2)


def turn(w, out):
    """Out = ``turned(w)``; both C-contiguous. Whole vectors are turned in squares, as in ``pack``."""
    channels, filters = w.shape[2:]
    if channels % simd.lanes(w.dtype):
        _tape.do(np.copyto, out, turned(w))
        return
    rows = _turned_rows(w.shape)
    pack(w.reshape(-1), rows, filters, filters, 0, channels, channels, out.reshape(1, 1, rows.size, channels))


@functools.lru_cache(maxsize=256)
def _turned_rows(shape):
    """Where in w of this ``shape`` the first channels of each (tap, filter) lie, the taps in reverse order."""
    height, width, channels, filters = shape
    taps = np.arange(height * width - 1, -1, -1) * (channels * filters)
    return (taps[:, None] + np.arange(filters)).reshape(-1)


def turned_copy(w):
    """``turned(w)``, C-contiguous; w (KH, KW, C, F) C-contiguous."""
    out = _tape.scratch((*w.shape[:2], w.shape[3], w.shape[2]), w.dtype)
    turn(w, out)
    return out

"""Weights in the order in which the direct kernels read them: panels as wide as a tile, padded with zeros."""

from __future__ import annotations

from scratchconv import simd
from scratchconv.kernels._jit import inner, threaded_kernel


@inner
def _pack_panel(task, w, rows, lane_step, group_step, lanes, width, panels):
    g, p = task // panels.shape[1], task % panels.shape[1]
    live = min(width, lanes - p * width)
    for r in range(rows.size):
        at = rows[r] + g * group_step + p * width * lane_step
        for lane in range(live):
            panels[g, p, r, lane] = w[at + lane * lane_step]
        for lane in range(live, width):
            panels[g, p, r, lane] = 0


@threaded_kernel
def pack(w, rows, lane_step, group_step, lanes, width, panels):
    """panels[g, p, r, l] = w[rows[r] + g * group_step + (p * width + l) * lane_step], 0 where p * width + l >= lanes

    w any flat array, rows (R,) int64 flat offsets, panels (G, P, R, width).
    Owns: task (g, p) writes panels[g, p]. Cost: one read and one write a weight.
    """
    tasks = panels.shape[0] * panels.shape[1]
    simd.run_tasks(_pack_panel, tasks, w, rows, lane_step, group_step, lanes, width, panels)

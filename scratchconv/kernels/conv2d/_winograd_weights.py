"""Kernels in the form in which Winograd's products read them."""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels import _tape
from scratchconv.kernels._jit import kernel


@kernel
def _transform(t, w, depth, lanes, width, plane, out):
    """out[p, panel, k, :] = G w[:, :, k, :] G' for each vector of filters; w (r, r', K, L) flat, L whole panels

    Cost: r r' reads and (m + r - 1)(m' + r' - 1) writes a channel pair.
    """
    row, column, nothing = t.source_columns * depth * lanes, depth * lanes, simd.splat(w, 0)
    taps = simd.opaque(row), simd.opaque(column)
    planes = simd.opaque(t.columns * plane), simd.opaque(plane)
    for k in range(depth):
        for f in range(0, lanes, simd.lanes_of(w)):
            o = (f // width * depth + k) * width + f % width
            simd.transform_grid(t, w, k * lanes + f, taps, nothing, out, o, planes)


def transform_weights(maps, w, tiling):
    """Transform ``w`` (r, r', C, F) to planes, each cut into panels of the width of the register tile."""
    taps, depth, filters = w.shape[:2], w.shape[2], w.shape[3]
    padded = w
    if filters != tiling.width or not w.flags.c_contiguous:
        padded = np.zeros((*taps, depth, tiling.width), w.dtype)
        _tape.do(np.copyto, padded[..., :filters], w)
    planes = maps.kernel.rows * maps.kernel.columns
    out = _tape.scratch((planes * tiling.weight_plane,), w.dtype)
    _transform(maps.kernel, padded.reshape(-1), depth, tiling.width, maps.tile.width, tiling.weight_plane, out)
    return out

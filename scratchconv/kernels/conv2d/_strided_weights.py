"""Weights in the order in which the kernels for stride 2 read them, and sums of products in the order of weights."""

from __future__ import annotations

import numpy as np

from scratchconv.kernels import _tape
from scratchconv.kernels.conv2d._strided_plan import TAPS
from scratchconv.kernels.conv2d._winograd_plan import round_up

# The taps that feed a 2 x 2 block of dx, in the order of ``_strided_tiles.convolve_back``.
BACK = ((1, 1), (1, 2), (1, 0), (2, 1), (2, 2), (2, 0), (0, 1), (0, 2), (0, 0))


def _padded(w, channels, filters):
    """Add channels and filters of zeros up to whole ``channels`` and ``filters``."""
    c, f = w.shape[2:]
    if c % channels == 0 and f % filters == 0:
        return w
    padded = np.zeros((*w.shape[:2], round_up(c, channels), round_up(f, filters)), w.dtype)
    _tape.do(np.copyto, padded[:, :, :c, :f], w)
    return padded


def pack_forward(w, lanes, width):
    """Pack w (KH, KW, C, F) into panels (F / width, KH, slabs of x, KW, lanes, width)."""
    w = _padded(w, lanes, width)
    c, f = w.shape[2:]
    panels = _tape.scratch((f // width, TAPS, c // lanes, TAPS, lanes, width), w.dtype)
    _tape.do(np.copyto, panels, w.reshape(TAPS, TAPS, c // lanes, lanes, f // width, width).transpose(4, 0, 2, 1, 3, 5))
    return panels


def pack_back(w, lanes):
    """Pack w (KH, KW, C, F) into panels (C / lanes, slabs of dy, lanes of dy, ``BACK``, lanes of C)."""
    w = _padded(w, lanes, lanes)
    c, f = w.shape[2:]
    panels = _tape.scratch((c // lanes, f // lanes, lanes, len(BACK), lanes), w.dtype)
    for t, (u, v) in enumerate(BACK):
        taps = w[u, v].reshape(c // lanes, lanes, f // lanes, lanes).transpose(0, 2, 3, 1)
        _tape.do(np.copyto, panels[:, :, :, t], taps)
    return panels


def unpack_products(total, lanes, dw):
    """Write dw (KH, KW, C, F) from ``total`` (KH, slabs of x, F, KW, lanes), whose C and F are whole vectors."""
    channels, filters = dw.shape[2:]
    slabs = -(-channels // lanes)
    total = total.reshape(TAPS, slabs, -1, TAPS, lanes).transpose(0, 3, 1, 4, 2)
    for slab in range(slabs):
        part = dw[:, :, slab * lanes : (slab + 1) * lanes]
        _tape.do(np.copyto, part, total[:, :, slab, : part.shape[2], :filters])

"""Narrow groups, several as one: a vector with lanes for one group of four filters would be three quarters empty.

``merged`` neighbouring groups become one with so many times the channels, whose weights are zero where channel and
filter belonged to different groups:

      two groups of 2 channels, 2 filters      a b . .       rows: channels, columns: filters
                                               c d . .
                                               . . e f
                                               . . g h

A tile performs as many multiplications as before, because the lanes that are filled now were empty: it only does so in
longer runs, and stores whole vectors.
"""

from __future__ import annotations

import numpy as np

from scratchconv.kernels import _tape


def merged(groups, width, lanes):
    """How many groups of ``width`` results become one: as many as divide ``groups`` and fit a vector."""
    return max((m for m in range(1, groups + 1) if groups % m == 0 and m * width <= lanes), default=1)


def _diagonal(w, groups, m):
    """The blocks of merged weights ``w`` that belong to one group each, (m, KH, KW, C/G, groups/m, F/G), as views."""
    kh, kw, channels, filters = w.shape
    blocks = w.reshape(kh, kw, m, channels // m, groups // m, m, filters // groups)
    return [blocks[:, :, i, :, :, i] for i in range(m)]


def spread(w, groups, m):
    """Weights (KH, KW, C/G, F) of ``groups`` groups as those of ``groups // m``, (KH, KW, m*C/G, F)."""
    if m == 1:
        return w
    kh, kw, channels, filters = w.shape
    wide = np.zeros((kh, kw, m * channels, filters), w.dtype)
    narrow = w.reshape(kh, kw, channels, groups // m, m, filters // groups)
    for i, block in enumerate(_diagonal(wide, groups, m)):
        _tape.do(np.copyto, block, narrow[:, :, :, :, i])
    return wide


def gather(wide, groups, m, w):
    """Write to ``w`` what belongs to one group each: the adjoint of ``spread``."""
    kh, kw, channels, filters = w.shape
    narrow = w.reshape(kh, kw, channels, groups // m, m, filters // groups)
    for i, block in enumerate(_diagonal(wide, groups, m)):
        _tape.do(np.copyto, narrow[:, :, :, :, i], block)

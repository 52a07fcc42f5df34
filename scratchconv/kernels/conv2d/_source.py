"""What a convolution reads: an array, or something computed from arrays on the way into the kernel's scratch.

An activation between two convolutions, relu(BatchNorm(z) + skip), or the gradient of a BatchNorm's input never has to
exist in memory: the kernels copy their source row by row into a small block anyway, and compute it while they copy.

================  ======================================================================================
PLAIN             first
ACTIVATION        relu(first * c0 + c1)                                     c = per-channel coefficients
 + SKIP           relu(first * c0 + c1 + second)
 + SKIP_AFFINE    relu(first * c0 + c1 + second * c2 + c3)
 + STORE          as well stored in ``third``, for those who read it again
GRADIENT          first * c0 + (second - c1) * c2 + c3                      first = g, second = y, c1 = mean
 + POOLED         the same, g reaching only the first pixel of a 2x2 window with second == third[window]
================  ======================================================================================
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scratchconv import simd
from scratchconv.kernels._copy import copy
from scratchconv.kernels._jit import inner

PLAIN, ACTIVATION, SKIP, SKIP_AFFINE, STORE, GRADIENT, POOLED = 0, 1, 2, 4, 8, 16, 32


class Source(NamedTuple):
    """Flat arrays of one dtype and what to make of them; kernels take it as it is."""

    kind: int
    channels: int
    columns: int  # of an image
    rows: int
    first: np.ndarray
    second: np.ndarray
    third: np.ndarray
    coefficients: np.ndarray  # four rows, ``pitch`` apart
    pitch: int


def make_source(kind, x, second=None, third=None, coefficients=()):
    """Describe a source with the shape of ``x`` (N, H, W, C); missing arrays become empty ones.

    ``x`` is what the convolution sees; with POOLED the array itself, ``first``, is the smaller g.
    """
    shape = x.shape if second is None else second.shape
    nothing = np.empty(0, x.dtype)
    pitch = -(-shape[3] // 16) * 16
    rows = np.zeros((max(1, len(coefficients)), pitch), x.dtype)
    for row, values in zip(rows, coefficients, strict=False):
        row[: shape[3]] = values
    second, third = (nothing if array is None else array.reshape(-1) for array in (second, third))
    return Source(kind, shape[3], shape[2], shape[1], x.reshape(-1), second, third, rows.reshape(-1), pitch)


def plain(x):
    """The array ``x`` (N, H, W, C) itself."""
    return Source(PLAIN, x.shape[3], x.shape[2], x.shape[1], x.reshape(-1), x[:0].reshape(-1), x[:0].reshape(-1),
                  x[:0].reshape(-1), 0)  # fmt: skip


@inner
def read_row(s, image, row, first, n, target, o, pitch):
    """target[o + q * pitch :] = the channels of pixel (image, row, first + q), for q < n."""
    i = ((image * s.rows + row) * s.columns + first) * s.channels
    if s.kind == PLAIN:
        if pitch == s.channels:
            copy(s.first, i, target, o, n * s.channels)
        else:
            for q in range(n):
                copy(s.first, i + q * s.channels, target, o + q * pitch, s.channels)
        return
    for c in range(0, s.channels, simd.lanes_of(s.first)):
        read_vector(s, image, row, first, c, n, target, o + c, pitch)


@inner
def read_vector(s, image, row, first, c, n, target, o, pitch):
    """target[o + q * pitch :] = up to one vector of channels, from channel c on, of the pixels of ``read_row``."""
    i = ((image * s.rows + row) * s.columns + first) * s.channels + c
    if s.kind == PLAIN:
        _read_plain(s, i, c, n, target, o, pitch)
    elif s.kind & ACTIVATION:
        _read_activation(s, i, c, n, target, o, pitch)
    elif s.kind & POOLED:
        _read_pooled_gradient(s, image, row, first, i, c, n, target, o, pitch)
    else:
        _read_gradient(s, i, c, n, target, o, pitch)


@inner
def _read_plain(s, i, c, n, target, o, pitch):
    """Up to one vector of channels, from channel c on, of n pixels."""
    simd.keep_apart()
    live = s.channels - c
    for q in range(n):
        simd.store_partial(target, o + q * pitch, simd.load_partial(s.first, i + q * s.channels, live), live)


@inner
def _read_activation(s, i, c, n, target, o, pitch):
    """Up to one vector of channels, from channel c on, of n pixels."""
    simd.keep_apart()
    live = s.channels - c
    zero = simd.splat(s.first, 0)
    scale, shift = simd.load(s.coefficients, c), simd.load(s.coefficients, s.pitch + c)
    skip_scale, skip_shift = zero, zero
    if s.kind & SKIP_AFFINE:
        skip_scale = simd.load(s.coefficients, 2 * s.pitch + c)
        skip_shift = simd.load(s.coefficients, 3 * s.pitch + c)
    for q in range(n):
        at = i + q * s.channels
        value = simd.fma(simd.load_partial(s.first, at, live), scale, shift)
        if s.kind & SKIP:
            value = value + simd.load_partial(s.second, at, live)
        elif s.kind & SKIP_AFFINE:
            value = value + simd.fma(simd.load_partial(s.second, at, live), skip_scale, skip_shift)
        value = simd.maximum(zero, value)
        if s.kind & STORE:
            simd.store_partial(s.third, at, value, live)
        simd.store_partial(target, o + q * pitch, value, live)


@inner
def _read_gradient(s, i, c, n, target, o, pitch):
    """Up to one vector of channels of n pixels: first * c0 + (second - c1) * c2 + c3."""
    simd.keep_apart()
    live = s.channels - c
    c0, c1 = simd.load(s.coefficients, c), simd.load(s.coefficients, s.pitch + c)
    c2, c3 = simd.load(s.coefficients, 2 * s.pitch + c), simd.load(s.coefficients, 3 * s.pitch + c)
    for q in range(n):
        at = i + q * s.channels
        centred = simd.load_partial(s.second, at, live) - c1
        value = simd.fma(simd.load_partial(s.first, at, live), c0, simd.fma(centred, c2, c3))
        simd.store_partial(target, o + q * pitch, value, live)


@inner
def _read_pooled_gradient(s, image, row, first, i, c, n, target, o, pitch):
    """As _read_gradient, with g spread over its 2x2 window: the first pixel equal to the selected one gets it."""
    simd.keep_apart()
    high, wide, live = s.rows // 2, s.columns // 2, s.channels - c
    c0, c1 = simd.load(s.coefficients, c), simd.load(s.coefficients, s.pitch + c)
    c2, c3 = simd.load(s.coefficients, 2 * s.pitch + c), simd.load(s.coefficients, 3 * s.pitch + c)
    q = 0
    while q < n:
        column, at, to = first + q, i + q * s.channels, o + q * pitch
        if column % 2 == 0 and q + 1 < n and column // 2 < wide and row // 2 < high:
            window = ((image * high + row // 2) * wide + column // 2) * s.channels + c
            left, right, g_left, g_right = _spread_gradient(s, window, at, row, live)
            simd.store_partial(target, to, simd.fma(g_left, c0, simd.fma(left - c1, c2, c3)), live)
            simd.store_partial(target, to + pitch, simd.fma(g_right, c0, simd.fma(right - c1, c2, c3)), live)
            q += 2
        else:  # half a window, or none
            y, g = simd.load_partial(s.second, at, live), simd.splat(s.first, 0)
            if column // 2 < wide and row // 2 < high:
                window = ((image * high + row // 2) * wide + column // 2) * s.channels + c
                _, _, g_left, g_right = _spread_gradient(s, window, at - column % 2 * s.channels, row, live)
                g = g_right if column % 2 == 1 else g_left
            simd.store_partial(target, to, simd.fma(g, c0, simd.fma(y - c1, c2, c3)), live)
            q += 1


@inner
def _spread_gradient(s, window, at, row, live):
    """Two pixels of a row of a window, from ``at`` on, and what of the window's gradient reaches each."""
    zero = simd.splat(s.first, 0)
    left, right = simd.load_partial(s.second, at, live), simd.load_partial(s.second, at + s.channels, live)
    selected, g = simd.load_partial(s.third, window, live), simd.load_partial(s.first, window, live)
    if row % 2 == 1:
        above = at - s.columns * s.channels
        g = simd.select(simd.load_partial(s.second, above, live) == selected, zero, g)
        g = simd.select(simd.load_partial(s.second, above + s.channels, live) == selected, zero, g)
    taken = left == selected
    return left, right, simd.select(taken, g, zero), simd.select(taken, zero, simd.select(right == selected, g, zero))

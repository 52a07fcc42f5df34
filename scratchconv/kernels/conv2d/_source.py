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

import functools
import sys
from typing import NamedTuple

import numpy as np

from scratchconv import simd
from scratchconv.kernels import _tape
from scratchconv.kernels._copy import copy
from scratchconv.kernels._jit import inner

FAR = 8 << 20  # bytes from which on an array is stored past the caches, if nothing better is known; see far_for

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
    streams: int = 0  # 1 if what is stored goes past the caches


def make_source(kind, x, second=None, third=None, coefficients=(), far=FAR):
    """Describe a source with the shape of ``x`` (N, H, W, C); missing arrays become empty ones.

    ``third`` is stored past the caches from ``far`` bytes on.

    ``x`` is what the convolution sees; with POOLED the array itself, ``first``, is the smaller g.
    """
    shape = x.shape if second is None else second.shape
    rows, pitch = coefficient_rows(coefficients, shape[3], x.dtype)
    second = no_numbers(x.dtype) if second is None else second.reshape(-1)
    third = no_numbers(x.dtype) if third is None else third.reshape(-1)
    streams = int(kind & STORE and goes_past_caches(third, shape[3], far))
    return Source(kind, shape[3], shape[2], shape[1], x.reshape(-1), second, third, rows, pitch, streams)


def table(rows, channels, dtype):
    """Zeros (rows, whole vectors of channels): where coefficients can be written so that kernels read them in place."""
    return np.zeros((rows, -(-channels // 16) * 16), dtype)


def coefficient_rows(values, channels, dtype):
    """Rows of ``channels`` numbers, flat, and the distance from one to the next; None is a row that is not read."""
    rows = table(max(1, len(values)), channels, dtype)
    pitch, given = rows.shape[1], [(k, row) for k, row in enumerate(values) if row is not None]
    whole = given[0][1].base if given else None
    if whole is not None and all(_is_row(row, k, whole, rows) for k, row in given):
        return whole.reshape(-1), pitch
    for k, row in given:
        _tape.do(np.copyto, rows[k, :channels], row)
    return rows.reshape(-1), pitch


def _is_row(row, k, whole, like):
    """Whether ``row`` is row k of ``whole``, a table that has the rows, the pitch and the dtype of ``like``."""
    fits = whole.dtype == like.dtype and whole.ndim == 2 and whole.shape[1] == like.shape[1] and len(whole) >= len(like)
    return fits and row.base is whole and row.ctypes.data == whole.ctypes.data + k * whole.strides[0]


@functools.cache
def no_numbers(dtype):
    """The array that stands for a missing one."""
    return np.empty(0, dtype)


def goes_past_caches(y, channels, far=FAR):
    """Whether ``y`` is better stored past the caches, and can be: whole vectors that begin on cache lines."""
    return y.nbytes > far and channels % simd.lanes(y.dtype) == 0 and y.ctypes.data % 64 == 0


def far_for(working_set):
    """Choose ``far`` where so many bytes are written before a result is read again.

    If the last cache holds them, nothing has to leave it; else an array that L2 does not hold is gone when it is read.
    """
    return simd.cache_bytes(2) if working_set > simd.cache_bytes(3) // 2 else sys.maxsize


def plain(x):
    """The array ``x`` (N, H, W, C) itself."""
    _, rows, columns, channels = x.shape
    none = no_numbers(x.dtype)
    return Source(PLAIN, channels, columns, rows, x.reshape(-1), none, none, none, 0, 0)


@inner
def read_row(s, image, row, first, n, target, o, pitch):
    """target[o + q * pitch :] = the channels of pixel (image, row, first + q), for q < n."""
    read_rows(s, image, row, 1, first, n, target, o, 0, pitch)


@inner
def read_rows(s, image, row, rows, first, n, target, o, line, pitch):
    """target[o + r * line + q * pitch :] = the channels of pixel (image, row + r, first + q); r < rows, q < n."""
    if s.kind == PLAIN and pitch == s.channels:
        i, source_line = ((image * s.rows + row) * s.columns + first) * s.channels, s.columns * s.channels
        for r in range(rows):
            copy(s.first, i + r * source_line, target, o + r * line, n * s.channels)
        return
    for c in range(0, s.channels, simd.lanes_of(s.first)):
        read_vectors(s, image, row, rows, first, c, n, target, o + c, line, pitch)


@inner
def read_vectors(s, image, row, rows, first, c, n, target, o, line, pitch):
    """As read_rows, up to one vector of channels from channel ``c`` on."""
    i = ((image * s.rows + row) * s.columns + first) * s.channels + c
    if s.kind == PLAIN:
        _read_plain(s, i, c, rows, n, target, o, line, pitch)
    elif s.kind & ACTIVATION:
        _read_activation(s, i, c, rows, n, target, o, line, pitch)
    elif s.kind & POOLED:
        _read_pooled_gradient(s, image, row, first, c, rows, n, target, o, line, pitch)
    else:
        _read_gradient(s, i, c, rows, n, target, o, line, pitch)


@inner
def _read_plain(s, i, c, rows, n, target, o, line, pitch):
    """Up to one vector of channels, from channel c on, of rows of n pixels."""
    simd.keep_apart()
    live = s.channels - c
    for r in range(rows):
        for q in range(n):
            value = simd.load_partial(s.first, i + (r * s.columns + q) * s.channels, live)
            simd.store_partial(target, o + r * line + q * pitch, value, live)


@inner
def _read_activation(s, i, c, rows, n, target, o, line, pitch):
    """Up to one vector of channels, from channel c on, of rows of n pixels."""
    simd.keep_apart()
    live = s.channels - c
    zero = simd.splat(s.first, 0)
    scale, shift = simd.load(s.coefficients, c), simd.load(s.coefficients, s.pitch + c)
    skip_scale, skip_shift = zero, zero
    if s.kind & SKIP_AFFINE:
        skip_scale = simd.load(s.coefficients, 2 * s.pitch + c)
        skip_shift = simd.load(s.coefficients, 3 * s.pitch + c)
    for r in range(rows):
        for q in range(n):
            at = i + (r * s.columns + q) * s.channels
            value = simd.fma(simd.load_partial(s.first, at, live), scale, shift)
            if s.kind & SKIP:
                value = value + simd.load_partial(s.second, at, live)
            elif s.kind & SKIP_AFFINE:
                value = value + simd.fma(simd.load_partial(s.second, at, live), skip_scale, skip_shift)
            value = simd.maximum(zero, value)
            if s.kind & STORE:
                if s.streams:
                    simd.stream(s.third, at, value)
                else:
                    simd.store_partial(s.third, at, value, live)
            simd.store_partial(target, o + r * line + q * pitch, value, live)


@inner
def _read_gradient(s, i, c, rows, n, target, o, line, pitch):
    """Up to one vector of channels of rows of n pixels: first * c0 + (second - c1) * c2 + c3."""
    simd.keep_apart()
    live = s.channels - c
    c0, c1 = simd.load(s.coefficients, c), simd.load(s.coefficients, s.pitch + c)
    c2, c3 = simd.load(s.coefficients, 2 * s.pitch + c), simd.load(s.coefficients, 3 * s.pitch + c)
    for r in range(rows):
        for q in range(n):
            at = i + (r * s.columns + q) * s.channels
            centred = simd.load_partial(s.second, at, live) - c1
            value = simd.fma(simd.load_partial(s.first, at, live), c0, simd.fma(centred, c2, c3))
            simd.store_partial(target, o + r * line + q * pitch, value, live)


@inner
def _read_pooled_gradient(s, image, row, first, c, rows, n, target, o, line, pitch):
    """As _read_gradient, with g spread over its 2x2 windows; those that are read in part, pixel by pixel."""
    simd.keep_apart()
    begin = min(rows, row % 2)  # the first row and column of whole windows, and those after their last
    end = max(begin, begin + (min(row + rows, s.rows // 2 * 2) - row - begin) // 2 * 2)
    left = min(n, first % 2)
    right = max(left, left + (min(first + n, s.columns // 2 * 2) - first - left) // 2 * 2)
    for r in range(begin, end, 2):
        _read_windows(
            s, image, row + r, first + left, c, right - left, target, o + r * line + left * pitch, line, pitch
        )
    for r in range(rows):
        for q in range(n if r < begin or r >= end else left):
            _read_pooled_pixel(s, image, row + r, first + q, c, target, o + r * line + q * pitch)
        for q in range(n if r < begin or r >= end else right, n):
            _read_pooled_pixel(s, image, row + r, first + q, c, target, o + r * line + q * pitch)


@inner
def _read_windows(s, image, row, first, c, n, target, o, line, pitch):
    """Two rows of n pixels, window by window: the first pixel that is equal to the selected one gets the gradient."""
    zero, live = simd.splat(s.first, 0), s.channels - c
    c0, c1 = simd.load(s.coefficients, c), simd.load(s.coefficients, s.pitch + c)
    c2, c3 = simd.load(s.coefficients, 2 * s.pitch + c), simd.load(s.coefficients, 3 * s.pitch + c)
    at = ((image * s.rows + row) * s.columns + first) * s.channels + c
    window = ((image * (s.rows // 2) + row // 2) * (s.columns // 2) + first // 2) * s.channels + c
    below = s.columns * s.channels
    for q in range(0, n, 2):
        i, k, to = at + q * s.channels, window + q // 2 * s.channels, o + q * pitch
        selected, g = simd.load_partial(s.third, k, live), simd.load_partial(s.first, k, live)
        y0, y1 = simd.load_partial(s.second, i, live), simd.load_partial(s.second, i + s.channels, live)
        y2, y3 = (simd.load_partial(s.second, i + below, live),
                  simd.load_partial(s.second, i + below + s.channels, live))  # fmt: skip
        g0, rest = simd.select(y0 == selected, g, zero), simd.select(y0 == selected, zero, g)
        g1, rest = simd.select(y1 == selected, rest, zero), simd.select(y1 == selected, zero, rest)
        g2, rest = simd.select(y2 == selected, rest, zero), simd.select(y2 == selected, zero, rest)
        g3 = simd.select(y3 == selected, rest, zero)
        simd.store_partial(target, to, simd.fma(g0, c0, simd.fma(y0 - c1, c2, c3)), live)
        simd.store_partial(target, to + pitch, simd.fma(g1, c0, simd.fma(y1 - c1, c2, c3)), live)
        simd.store_partial(target, to + line, simd.fma(g2, c0, simd.fma(y2 - c1, c2, c3)), live)
        simd.store_partial(target, to + line + pitch, simd.fma(g3, c0, simd.fma(y3 - c1, c2, c3)), live)


@inner
def _read_pooled_pixel(s, image, row, column, c, target, o):
    """One pixel: the gradient of its window, if it has one and no pixel before it is equal to the selected one."""
    simd.keep_apart()
    high, wide, live, zero = s.rows // 2, s.columns // 2, s.channels - c, simd.splat(s.first, 0)
    c0, c1 = simd.load(s.coefficients, c), simd.load(s.coefficients, s.pitch + c)
    c2, c3 = simd.load(s.coefficients, 2 * s.pitch + c), simd.load(s.coefficients, 3 * s.pitch + c)
    y = simd.load_partial(s.second, ((image * s.rows + row) * s.columns + column) * s.channels + c, live)
    g = zero
    if row // 2 < high and column // 2 < wide:
        window = ((image * high + row // 2) * wide + column // 2) * s.channels + c
        selected, g = simd.load_partial(s.third, window, live), simd.load_partial(s.first, window, live)
        g = simd.select(y == selected, g, zero)
        for k in range(row % 2 * 2 + column % 2):
            before = ((image * s.rows + row // 2 * 2 + k // 2) * s.columns + column // 2 * 2 + k % 2) * s.channels + c
            g = simd.select(simd.load_partial(s.second, before, live) == selected, zero, g)
    simd.store_partial(target, o, simd.fma(g, c0, simd.fma(y - c1, c2, c3)), live)

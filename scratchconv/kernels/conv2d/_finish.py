"""What becomes of a work item's results while they are still in cache.

==============  =================================================================================================
NOTHING         they stay as they are
MOMENTS         mean and M2 = Σ (y - mean)² of each channel over the item, for BatchNorm (merged in ``merge_moments``)
 + SELECT       the largest of each 2x2 window is stored, or the smallest (``slope`` < 0): pooling before BatchNorm and
                ReLU, which are monotone, so relu(bn(selected)) = pool(relu(bn(y)))
 + DROP         y itself is not wanted: without MOMENTS it is left unwritten
RECEIVE         the results are dx; they become g = [a > 0] (dx + extra), the gradient before the ReLU, in place, and
                Σ g, Σ g (z - mean), Σ g (z2 - mean2) are taken, which BatchNorm's backward pass needs
 + EXTRA        extra is added
 + MASK         a is given; + MASK_AFFINE: a > 0 where z * scale + shift > 0
 + SECOND       z2 takes part
==============  =================================================================================================
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scratchconv import simd
from scratchconv.kernels import _tape
from scratchconv.kernels._jit import inner, kernel
from scratchconv.kernels.conv2d._block import count_items, images_of, result_offset, result_rows_of
from scratchconv.kernels.conv2d._source import FAR, coefficient_rows, goes_past_caches, no_numbers

NOTHING, MOMENTS, SELECT, RECEIVE, EXTRA, MASK, MASK_AFFINE, SECOND, SUMS, DROP = 0, 1, 2, 4, 8, 16, 32, 64, 128, 256


class Finish(NamedTuple):
    """What to do, and flat arrays of one dtype to do it with; ``sums`` (items, 3, pitch) is the outcome."""

    kind: int
    z: np.ndarray
    a: np.ndarray
    extra: np.ndarray
    z2: np.ndarray
    selected: np.ndarray
    coefficients: np.ndarray  # rows: MOMENTS: slope; RECEIVE: scale, shift, mean, mean2
    pitch: int
    sums: np.ndarray
    streams: int  # 1 if the results go past the caches


def nothing(y):
    """Leave the results ``y`` alone."""
    none = no_numbers(y.dtype)
    return Finish(NOTHING, none, none, none, none, none, none, 0, none, int(goes_past_caches(y, y.shape[-1])))


def begin(y, g, make):
    """What becomes of the results ``y`` of the work items of ``g``: ``make(items)`` says so, None leaves them alone."""
    return nothing(y) if make is None else make(count_items(g))


def make_finish(kind, y, items, coefficients=(), far=FAR, **arrays):
    """Describe what becomes of the results ``y`` (N, H, W, C) of ``items`` work items.

    They are stored past the caches from ``far`` bytes on.
    """
    rows, pitch = coefficient_rows(coefficients, y.shape[3], y.dtype)
    given = [arrays.get(name) for name in ("z", "a", "extra", "z2", "selected")]
    given = [no_numbers(y.dtype) if array is None else array.reshape(-1) for array in given]
    sums = _tape.scratch((items * 3 * pitch,), y.dtype)
    return Finish(kind, *given, rows, pitch, sums, int(goes_past_caches(y, y.shape[3], far)))


@inner
def finish_item(f, g, item, r, at, y):
    """Finish the results of a work item, whole images or whole rows of one, which lie in ``r`` from ``at`` on.

    They go to their place in ``y``.
    """
    images, rows = images_of(g, item), result_rows_of(g, item)
    finish_pixels(f, g, item, 0, images * rows * g.result_w, r, at, y)
    _select_rows(f, g, item, 0, images, rows, r, at)


@inner
def finish_pixels(f, g, item, first, pixels, r, at, y):
    """As finish_item, but for SELECT, for some pixels of the item from its pixel ``first`` on, which lie in ``r[at:]``.

    The parts of an item come one after the other.
    """
    yi = result_offset(g, item) + first * g.results
    if f.kind & RECEIVE:
        receive_pixels(f, item, r, at, pixels, g.results, y, yi, first > 0)
    elif f.kind & MOMENTS:
        _measure_pixels(f, item, r, at, pixels, g.results, y, yi, 1, first > 0)
    elif f.kind & DROP == 0:
        _carry(r, at, pixels * g.results, y, yi, f.streams)


@inner
def measure(f, g, item, i, rows, r, at, y):
    """MOMENTS and SELECT of ``rows`` rows, from row ``i`` on, of a work item of one image, which lie in ``r[at:]``.

    An image may come in parts, one after the other, each of which but the last has an even number of rows. The results
    are in their place in ``y``.
    """
    yi = result_offset(g, item) + i * g.result_w * g.results
    if f.kind & MOMENTS:
        _measure_pixels(f, item, r, at, rows * g.result_w, g.results, y, yi, 0, i > 0)
    _select_rows(f, g, item, i, 1, rows, r, at)


@inner
def _measure_pixels(f, item, r, at, pixels, channels, y, yi, carried, more):
    """MOMENTS of neighbouring pixels, merged with those before if there are ``more``; they go to ``y`` if carried."""
    for c in range(0, channels, simd.lanes_of(y)):
        o = item * 3 * f.pitch + c
        _moments(r, at + c, pixels, channels, channels - c, y, yi + c, carried, f.streams, f.sums, o, f.pitch, more)


@inner
def _select_rows(f, g, item, i, images, rows, r, at):
    """SELECT of ``rows`` rows, from row ``i`` on, of each of a work item's images."""
    if f.kind & SELECT:
        image, row = item // g.strips * g.images, item % g.strips * g.rows * g.spread + i
        first = (image * (g.result_h // 2) + row // 2) * (g.result_w // 2) * g.results
        _select(r, at, images, rows, g.result_w, g.results, f.coefficients, f.selected, first)


@inner
def _put(y, i, value, live, streams):
    """Store up to ``live`` lanes, or a whole vector past the caches."""
    if streams:
        simd.stream(y, i, value)
    else:
        simd.store_partial(y, i, value, live)


@inner
def _carry(r, at, n, y, yi, streams):
    """y[yi : yi+n] = r[at : at+n]."""
    simd.keep_apart()
    for k in range(0, n, simd.lanes_of(y)):
        _put(y, yi + k, simd.load_partial(r, at + k, n - k), n - k, streams)


@inner
def _moments(r, at, pixels, step, live, y, yi, carried, streams, sums, o, pitch, more):
    """sums[o:] = mean, M2 and number of up to one vector of channels, merged with those before if there are ``more``.

    Two passes, four partial sums; the second fills y.
    """
    simd.keep_apart()
    zero, whole = simd.splat(r, 0), pixels // 4 * 4
    s0, s1, s2, s3 = zero, zero, zero, zero
    for i in range(at, at + whole * step, 4 * step):
        s0 = s0 + simd.load_partial(r, i, live)
        s1 = s1 + simd.load_partial(r, i + step, live)
        s2 = s2 + simd.load_partial(r, i + 2 * step, live)
        s3 = s3 + simd.load_partial(r, i + 3 * step, live)
    for q in range(whole, pixels):
        s0 = s0 + simd.load_partial(r, at + q * step, live)
    mean = ((s0 + s1) + (s2 + s3)) / simd.splat(r, pixels)
    s0, s1, s2, s3 = zero, zero, zero, zero
    for q in range(0, whole, 4):
        i, k = at + q * step, yi + q * step
        r0, r1 = simd.load_partial(r, i, live), simd.load_partial(r, i + step, live)
        r2, r3 = simd.load_partial(r, i + 2 * step, live), simd.load_partial(r, i + 3 * step, live)
        if carried:
            _put(y, k, r0, live, streams)
            _put(y, k + step, r1, live, streams)
            _put(y, k + 2 * step, r2, live, streams)
            _put(y, k + 3 * step, r3, live, streams)
        d0, d1, d2, d3 = r0 - mean, r1 - mean, r2 - mean, r3 - mean
        s0, s1, s2, s3 = simd.fma(d0, d0, s0), simd.fma(d1, d1, s1), simd.fma(d2, d2, s2), simd.fma(d3, d3, s3)
    for q in range(whole, pixels):
        r0 = simd.load_partial(r, at + q * step, live)
        if carried:
            _put(y, yi + q * step, r0, live, streams)
        s0 = simd.fma(r0 - mean, r0 - mean, s0)
    _add_moments(mean, (s0 + s1) + (s2 + s3), simd.splat(r, pixels), sums, o, pitch, more)


@inner
def _add_moments(mean, squares, count, sums, o, pitch, more):
    """Write mean, M2 and number to ``sums[o:]``, merged with those before if there are ``more``; see merge_moments."""
    if more:
        before = simd.load(sums, o + 2 * pitch)
        delta = mean - simd.load(sums, o)
        share = before / (before + count)
        squares = squares + simd.fma(delta * delta, count * share, simd.load(sums, o + pitch))
        mean, count = mean - delta * share, before + count
    simd.store(sums, o, mean)
    simd.store(sums, o + pitch, squares)
    simd.store(sums, o + 2 * pitch, count)


@inner
def _select(r, at, images, rows, columns, channels, slope, selected, o):
    """selected[o + window] = the largest value of a 2x2 window, or the smallest where ``slope`` is negative."""
    simd.keep_apart()
    high, wide, step = rows // 2, columns // 2, columns * channels
    for c in range(0, channels, simd.lanes_of(r)):
        live = channels - c
        rises = simd.load(slope, c) >= simd.splat(r, 0)
        for n in range(images):
            for i in range(high):
                top, to = at + c + (n * rows + 2 * i) * step, o + c + (n * high + i) * wide * channels
                for j in range(wide):
                    k = top + 2 * j * channels
                    p, q = simd.load_partial(r, k, live), simd.load_partial(r, k + channels, live)
                    s, t = simd.load_partial(r, k + step, live), simd.load_partial(r, k + step + channels, live)
                    largest = simd.maximum(simd.maximum(p, q), simd.maximum(s, t))
                    smallest = simd.minimum(simd.minimum(p, q), simd.minimum(s, t))
                    value = simd.select(rises, largest, smallest)
                    simd.store_partial(selected, to + j * channels, value, live)


@inner
def receive_pixels(f, item, r, at, pixels, channels, y, yi, more):
    """RECEIVE for ``pixels`` neighbouring pixels from ``r[at]`` on; g goes to ``y[yi]``.

    Its sums are added to those of the pixels before if there are ``more``.
    """
    for c in range(0, channels, simd.lanes_of(y)):
        receive_vector(f, item, r, at, pixels, channels, c, y, yi, more)


@inner
def receive_vector(f, item, r, at, pixels, channels, c, y, yi, more):
    """As receive_pixels, for up to one vector of channels from channel ``c`` on.

    G = [a > 0] (dx + extra); of every sum, two partial ones are taken, each of every other pixel.
    """
    simd.keep_apart()
    live, o, at, yi = channels - c, item * 3 * f.pitch + c, at + c, yi + c
    zero = simd.splat(y, 0)
    sum_g, sum_gz, sum_gz2, last_g, last_gz, last_gz2 = zero, zero, zero, zero, zero, zero
    scale, shift = simd.load(f.coefficients, c), simd.load(f.coefficients, f.pitch + c)
    mean, mean2 = simd.load(f.coefficients, 2 * f.pitch + c), simd.load(f.coefficients, 3 * f.pitch + c)
    for q in range(pixels):
        i = yi + q * channels
        g, z = simd.load_partial(r, at + q * channels, live), zero
        if f.kind & EXTRA:
            g = g + simd.load_partial(f.extra, i, live)
        if f.kind & (SUMS | MASK_AFFINE):
            z = simd.load_partial(f.z, i, live)
        if f.kind & MASK_AFFINE:
            g = simd.select(simd.fma(z, scale, shift) > zero, g, zero)
        elif f.kind & MASK:
            g = simd.select(simd.load_partial(f.a, i, live) > zero, g, zero)
        _put(y, i, g, live, f.streams)
        g1, gz1 = sum_g + g, simd.fma(g, z - mean, sum_gz)
        sum_g, sum_gz, last_g, last_gz = last_g, last_gz, g1, gz1
        if f.kind & SECOND:
            gz2 = simd.fma(g, simd.load_partial(f.z2, i, live) - mean2, sum_gz2)
            sum_gz2, last_gz2 = last_gz2, gz2
    _add_up(f.sums, o, sum_g + last_g, more)
    _add_up(f.sums, o + f.pitch, sum_gz + last_gz, more)
    _add_up(f.sums, o + 2 * f.pitch, sum_gz2 + last_gz2, more)


@inner
def _add_up(sums, o, value, more):
    """sums[o:] = value, added to what is there if there is ``more``."""
    simd.store(sums, o, simd.load(sums, o) + value if more else value)


@kernel
def merge_moments(sums, pitch, mean, var):
    """mean[f], var[f] = those of all pixels, from the items' (mean, M2, count) in ``sums``; var is the biased one.

    Pairwise update of Chan, Golub and LeVeque (1979), in float64 and in the order of the items.
    """
    count, channels = 0.0, mean.size
    mean[:], var[:] = 0, 0
    for o in range(0, sums.size, 3 * pitch):
        n = np.float64(sums[o + 2 * pitch])  # the same number for each channel
        share, before = n / (count + n), count
        means, squares = sums[o : o + channels], sums[o + pitch : o + pitch + channels]
        for f in range(channels):
            delta = means[f] - mean[f]
            mean[f] += delta * share
            var[f] += squares[f] + delta * delta * (before * share)
        count += n
    for f in range(channels):
        var[f] /= max(count, 1.0)


@kernel
def merge_sums(sums, pitch, out):
    """out[k, c] = Σ over the items of sums[item, k, c], in float64 and in the order of the items."""
    out[:] = 0
    for o in range(0, sums.size, 3 * pitch):
        for k in range(out.shape[0]):
            total, part = out[k], sums[o + k * pitch : o + k * pitch + out.shape[1]]
            for c in range(total.size):
                total[c] += part[c]

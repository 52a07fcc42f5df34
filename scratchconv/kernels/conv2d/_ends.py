"""Where a chain of fused convolutions begins or ends: an activation that others read as an array, and its gradient."""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._copy import fill_zero
from scratchconv.kernels._jit import helper, inner, threaded_kernel
from scratchconv.kernels.conv2d._ahead import LIST, TURN, Stretch, begin_list, end_list, fetch, list_arrays
from scratchconv.kernels.conv2d._finish import receive_pixels
from scratchconv.kernels.conv2d._source import read_row, read_rows


@inner
def _read_image(image, source, out):
    line = source.columns * source.channels
    at = image * source.rows * line
    read_rows(source, image, 0, source.rows, 0, source.columns, out, at, line, source.channels)


@threaded_kernel
def read_all(source, images, out):
    """out[n, i, j, c] = the source (see _source), flat NHWC. Owns: a worker writes whole images. Cost: one pass."""
    simd.run_tasks(_read_image, images, source, out)


@helper
def _mean_image(image, source, out):
    row, pixels = np.empty(source.columns * source.channels, out.dtype), source.rows * source.columns
    at = image * source.channels
    fill_zero(out, at, source.channels)
    following, ahead = (image + 1) * source.rows * row.size, np.empty(LIST, np.int64)
    begin_list(ahead)
    list_arrays(ahead, row, source, Stretch(following, following + source.rows * row.size))
    end_list(ahead, row, source.rows * TURN)
    for i in range(source.rows):
        fetch(ahead, row)
        read_row(source, image, i, 0, source.columns, row, 0, source.channels)
        _add_pixels(row, source.columns, source.channels, out, at)
    _divide(out, at, source.channels, pixels)


@inner
def _add_pixels(x, pixels, channels, out, at):
    """out[at:] += the sum of the pixels in x, which is taken by itself first: short sums round less."""
    for c in range(0, channels, simd.lanes_of(x)):
        total = simd.splat(x, 0)
        for q in range(pixels):
            total = total + simd.load_partial(x, q * channels + c, channels - c)
        simd.store_partial(out, at + c, simd.load_partial(out, at + c, channels - c) + total, channels - c)


@inner
def _divide(x, at, n, number):
    for c in range(0, n, simd.lanes_of(x)):
        simd.store_partial(x, at + c, simd.load_partial(x, at + c, n - c) / simd.splat(x, number), n - c)


@threaded_kernel
def mean_all(source, images, out):
    """out[n, c] = the mean of the source (see _source) over an image, flat. Owns: a worker writes whole images.

    Cost: one pass; an activation is computed on the way, and stored if the source says so.
    """
    simd.run_tasks(_mean_image, images, source, out)


@inner
def _receive_item(item, finish, pixels, channels, g):
    at = item * pixels * channels
    receive_pixels(finish, item, g, at, pixels, channels, g, at)


@threaded_kernel
def receive_all(finish, items, pixels, channels, g):
    """Turn dx in ``g``, flat, into the gradient before the ReLU, ``pixels`` an item; see _finish, RECEIVE.

    Owns: a worker writes whole items and their sums. Cost: one pass.
    """
    simd.run_tasks(_receive_item, items, finish, pixels, channels, g)

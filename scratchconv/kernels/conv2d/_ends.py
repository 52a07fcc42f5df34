"""Where a chain of fused convolutions begins or ends: an activation that others read as an array, and its gradient."""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._copy import fill_zero
from scratchconv.kernels._jit import helper, inner, threaded_kernel
from scratchconv.kernels.conv2d._ahead import LIST, TURN, Stretch, begin_list, end_list, fetch, list_arrays
from scratchconv.kernels.conv2d._finish import receive_pixels
from scratchconv.kernels.conv2d._source import read_row, read_rows

CHUNKS = 32  # images are dealt to at most so many tasks


@inner
def read_image(image, source, out):
    """One image of ``read_all``."""
    line = source.columns * source.channels
    at = image * source.rows * line
    read_rows(source, image, 0, source.rows, 0, source.columns, out, at, line, source.channels)


@threaded_kernel
def read_all(source, images, out):
    """out[n, i, j, c] = the source (see _source), flat NHWC. Owns: a worker writes whole images. Cost: one pass."""
    simd.run_tasks(read_image, images, source, out)


@helper
def _mean_chunk(chunk, chunks, images, source, out):
    row, ahead = np.empty(source.columns * source.channels, out.dtype), np.empty(LIST, np.int64)
    _mean_images(chunk * images // chunks, (chunk + 1) * images // chunks, source, out, row, ahead)


@inner
def _mean_images(first, last, source, out, row, ahead):
    line, pixels = source.columns * source.channels, source.rows * source.columns
    for image in range(first, last):
        at, following = image * source.channels, (image + 1) * source.rows * line
        fill_zero(out, at, source.channels)
        begin_list(ahead)
        list_arrays(ahead, row, source, Stretch(following, following + source.rows * line))
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
    chunks = min(images, CHUNKS)
    simd.run_tasks(_mean_chunk, chunks, chunks, images, source, out)


@inner
def receive_item(item, finish, pixels, channels, g):
    """One item of ``receive_all``."""
    at = item * pixels * channels
    receive_pixels(finish, item, g, at, pixels, channels, g, at)


@threaded_kernel
def receive_all(finish, items, pixels, channels, g):
    """Turn dx in ``g``, flat, into the gradient before the ReLU, ``pixels`` an item; see _finish, RECEIVE.

    Owns: a worker writes whole items and their sums. Cost: one pass.
    """
    simd.run_tasks(receive_item, items, finish, pixels, channels, g)

"""Where a chain of fused convolutions begins or ends: an activation that others read as an array, and its gradient."""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._copy import fill_zero
from scratchconv.kernels._jit import helper, inner, threaded_kernel
from scratchconv.kernels.conv2d._ahead import (
    LIST,
    TURN,
    Stretch,
    begin_list,
    end_list,
    fetch,
    list_arrays,
    list_received,
)
from scratchconv.kernels.conv2d._finish import receive_vector
from scratchconv.kernels.conv2d._source import read_rows, read_vectors

CHUNKS = 32  # images are dealt to at most so many tasks
PART, NEAR = 16, 1 << 20  # pixels of an image that are received at once, where all of them have more bytes than NEAR


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
    row, ahead = np.empty(source.columns * simd.lanes_of(out), out.dtype), np.empty(LIST, np.int64)
    _mean_images(chunk * images // chunks, (chunk + 1) * images // chunks, source, out, row, ahead)
    simd.settle()


@inner
def _mean_images(first, last, source, out, row, ahead):
    line, lanes = source.columns * source.channels, simd.lanes_of(out)
    steps = _steps_of_vector(source.channels, lanes)
    for image in range(first, last):
        at, following = image * source.channels, (image + 1) * source.rows * line
        fill_zero(out, at, source.channels)
        begin_list(ahead)
        list_arrays(ahead, row, source, Stretch(following, following + source.rows * line))
        end_list(ahead, row, source.rows * TURN)
        for i in range(source.rows):
            for c in range(0, source.channels, lanes):
                fetch(ahead, row, steps)
                read_vectors(source, image, i, 1, 0, c, source.columns, row, 0, 0, lanes)
                _add_pixels(row, source.columns, out, at + c, source.channels - c)
        _divide(out, at, source.channels, source.rows * source.columns)


@inner
def _steps_of_vector(channels, lanes):
    """Of the TURN steps that some pixels count in a list, those of one vector of their channels: no burst of many."""
    vectors = (channels + lanes - 1) // lanes
    return (TURN + vectors - 1) // vectors


@inner
def _add_pixels(x, pixels, out, at, live):
    """out[at:] += the sum of the vectors in x, which is taken by itself first: short sums round less."""
    total = simd.splat(x, 0)
    for q in range(pixels):
        total = total + simd.load_partial(x, q * simd.lanes_of(x), live)
    simd.store_partial(out, at, simd.load_partial(out, at, live) + total, live)


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


@helper
def _receive_chunk(chunk, chunks, finish, items, pixels, channels, g):
    ahead = np.empty(LIST, np.int64)
    _receive_items(chunk * items // chunks, (chunk + 1) * items // chunks, finish, pixels, channels, g, ahead)
    simd.settle()


@inner
def _receive_items(first, last, finish, pixels, channels, g, ahead):
    size, lanes, far = pixels * channels, simd.lanes_of(g), g.size * g.itemsize > NEAR
    part = PART if far else max(1, pixels)
    for item in range(first, last):
        begin_list(ahead)
        list_received(ahead, g, finish, Stretch((item + 1) * size, (item + 2) * size), g)
        end_list(ahead, g, pixels * ((channels + lanes - 1) // lanes) * 3)
        for q in range(0, pixels, part):
            at = item * size + q * channels
            for c in range(0, channels, lanes):
                if far:
                    fetch(ahead, g, 3 * part)  # vectors of z, of a, and of extra or z2
                receive_vector(finish, item, g, at, min(part, pixels - q), channels, c, g, at, q > 0)


@threaded_kernel
def receive_all(finish, items, pixels, channels, g):
    """Turn dx in ``g``, flat, into the gradient before the ReLU, ``pixels`` an item; see _finish, RECEIVE.

    Owns: a worker writes whole items and their sums. Cost: one pass.
    """
    chunks = min(items, CHUNKS)
    simd.run_tasks(_receive_chunk, chunks, chunks, finish, items, pixels, channels, g)

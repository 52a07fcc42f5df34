"""Where a chain of fused convolutions begins or ends: an activation that others read as an array, and its gradient."""

from __future__ import annotations

from scratchconv import simd
from scratchconv.kernels._jit import inner, threaded_kernel
from scratchconv.kernels.conv2d._finish import receive_pixels
from scratchconv.kernels.conv2d._source import read_rows


@inner
def _read_image(image, source, out):
    line = source.columns * source.channels
    at = image * source.rows * line
    read_rows(source, image, 0, source.rows, 0, source.columns, out, at, line, source.channels)


@threaded_kernel
def read_all(source, images, out):
    """out[n, i, j, c] = the source (see _source), flat NHWC. Owns: a worker writes whole images. Cost: one pass."""
    simd.run_tasks(_read_image, images, source, out)


@inner
def _receive_item(item, finish, pixels, channels, g):
    at = item * pixels * channels
    receive_pixels(finish, item, g, at, pixels, channels, g, at, False)


@threaded_kernel
def receive_all(finish, items, pixels, channels, g):
    """Turn dx in ``g``, flat, into the gradient before the ReLU, ``pixels`` an item; see _finish, RECEIVE.

    Owns: a worker writes whole items and their sums. Cost: one pass.
    """
    simd.run_tasks(_receive_item, items, finish, pixels, channels, g)

"""Where a chain of fused convolutions begins or ends: an activation that others read as an array, and its gradient."""

from __future__ import annotations

from scratchconv.kernels._jit import helper, parallel_kernel, prange
from scratchconv.kernels.conv2d._finish import receive_pixels
from scratchconv.kernels.conv2d._source import read_row


@helper
def _read_image(source, image, out):
    line = source.columns * source.channels
    for row in range(source.rows):
        read_row(source, image, row, 0, source.columns, out, (image * source.rows + row) * line, source.channels)


@parallel_kernel
def read_all(source, images, out):
    """out = the source (see _source), flat (N, H, W, C). Owns: a worker writes whole images. Cost: one pass."""
    for image in prange(images):
        _read_image(source, image, out)


@parallel_kernel
def receive_all(finish, items, pixels, channels, g):
    """Turn dx in ``g``, flat, into the gradient before the ReLU, ``pixels`` an item; see _finish, RECEIVE.

    Owns: a worker writes whole items and their sums. Cost: one pass.
    """
    for item in prange(items):
        receive_pixels(finish, item, g, item * pixels * channels, pixels, channels)

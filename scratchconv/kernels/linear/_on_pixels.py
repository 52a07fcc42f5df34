"""The last layer of a network, linear and of few filters, on an activation that a convolution has left unfinished.

The activation (conv2d/_source) is computed and stored just before it is multiplied, and its gradient is masked and
summed (conv2d/_finish) just after: some images at a time, which stay in cache in between.
"""

from __future__ import annotations

from scratchconv import simd
from scratchconv.kernels._jit import inner, threaded_kernel
from scratchconv.kernels.conv2d._ends import read_image
from scratchconv.kernels.conv2d._finish import receive_pixels
from scratchconv.kernels.linear.tiled import ROWS, products_of_rows, spread_some_rows, tiles_of


@inner
def _read_and_multiply(task, source, x, w, b, channels, y):
    for image in range(task * ROWS, min(y.shape[0], task * ROWS + ROWS)):
        read_image(image, source, x)
    products_of_rows(task, x, w, b, channels, y)


@threaded_kernel
def _forward(source, x, w, b, channels, y):
    """See ``forward``. Owns: a task writes ROWS rows of x and of y."""
    simd.run_tasks(_read_and_multiply, (y.shape[0] + ROWS - 1) // ROWS, source, x, w, b, channels, y)


def forward(source, w, b, x, y):
    """x[n,:] = the pixels of image n of ``source``; y[n,f] = b[f] + sum_c x[n,c] * w[f,c]

    w (F, C) as pixels lie in memory, x (N, C), y (N, F). Cost: 2*N*F*C flop; the source is read and x written once.
    """
    _forward(source, x.reshape(-1), w.reshape(-1), b, w.shape[1], y)


@inner
def _spread_and_receive(task, tile, single, dy, w, filters, dx, finish, pixels, channels, g):
    spread_some_rows(task, tile, single, dy, w, filters, dx)
    for image in range(task * ROWS, min(dx.shape[0], task * ROWS + ROWS)):
        at = image * pixels * channels
        receive_pixels(finish, image, g, at, pixels, channels, g, at, False)


@threaded_kernel
def _input_gradient(tile, single, dy, w, filters, dx, finish, pixels, channels, g):
    """See ``input_gradient``; g is dx, flat. Owns: a task writes ROWS rows of dx and their sums."""
    tasks = (dx.shape[0] + ROWS - 1) // ROWS
    simd.run_tasks(_spread_and_receive, tasks, tile, single, dy, w, filters, dx, finish, pixels, channels, g)


def input_gradient(dy, w, finish, g):
    """G (N, H, W, C) = dx[n,:] = sum_f dy[n,f] * w[f,:], then what ``finish`` makes of it, an item for each image

    Cost: 2*N*F*H*W*C flop; g is written once, and what finishing reads is read once.
    """
    pixels, channels = g.shape[1] * g.shape[2], g.shape[3]
    dx, flat = g.reshape(len(g), pixels * channels), g.reshape(-1)
    _input_gradient(*tiles_of(g.dtype), dy.reshape(-1), w.reshape(-1), len(w), dx, finish, pixels, channels, flat)

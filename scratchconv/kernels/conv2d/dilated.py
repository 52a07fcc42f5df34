"""Dilated convolution by phases: many small convolutions without dilation, and Winograd for these.

What it changes against direct: taps that are d pixels apart only ever meet pixels whose rows agree modulo d, and whose
columns do. So an image falls apart into d x d images that know nothing of each other, and a 3x3 kernel with dilation d
is a plain 3x3 kernel on each: with i = d a + r, and a padding of d q,

    y[d a + r] = Σ_u x[d a + r + d u - d q] w[u] = Σ_u x_r[a + u - q] w[u]        x_r[a] = x[d a + r]

(for rows; columns likewise). The phases are copied to images of one size, a zero where the last ones are shorter, which
is what padding puts there anyway; two passes over memory for less than half of the multiplications.
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._copy import copy, fill_zero
from scratchconv.kernels._jit import inner, threaded_kernel
from scratchconv.kernels.conv2d import winograd
from scratchconv.kernels.conv2d._weight_grad import bias_grad

__all__ = ["applies", "bias_grad", "forward", "input_grad", "pays", "weight_grad"]


def applies(taps, stride, padding, dilation, groups, channels, precision="exact"):
    """Whether this algorithm computes a convolution that adds up ``channels``, as exactly as ``precision`` promises."""
    whole = tuple(stride) == (1, 1) and all(p % d == 0 for p, d in zip(padding, dilation, strict=True))
    return max(dilation) > 1 and whole and winograd.applies(taps, stride, (1, 1), groups, channels, precision)


def pays(channels, filters, shape, dilation):
    """Whether it is faster than direct for results ``shape`` (N, OH, OW, ...): Winograd pays, phases fill its tiles."""
    high, wide = (size // d for size, d in zip(shape[1:3], dilation, strict=True))
    return winograd.pays(channels, filters, shape[0] * shape[1] * shape[2]) and min(high, wide) >= 4


@inner
def _split_row(task, x, height, width, channels, dh, dw, high, wide, out):
    """One row of all phases of columns."""
    row, r = task % high, task // high % dh
    n = task // (high * dh)
    i = row * dh + r
    for s in range(dw):
        o = (((n * dh + r) * dw + s) * high + row) * wide * channels
        live = (width - s + dw - 1) // dw if i < height else 0
        for j in range(live):
            copy(x, ((n * height + i) * width + j * dw + s) * channels, out, o + j * channels, channels)
        if live < wide:
            fill_zero(out, o + live * channels, (wide - live) * channels)


@inner
def _join_row(task, phases, height, width, channels, dh, dw, high, wide, out):
    """One row of an image."""
    n, i = task // height, task % height
    for j in range(width):
        image = (n * dh + i % dh) * dw + j % dw
        at = ((image * high + i // dh) * wide + j // dw) * channels
        copy(phases, at, out, ((n * height + i) * width + j) * channels, channels)


@threaded_kernel
def _split(x, shape, dh, dw, high, wide, out):
    """out[(n, r, s), a, b, :] = x[n, a dh + r, b dw + s, :], or zeros past the end of the image; both flat

    Owns: a task writes one row of dw phases. Cost: one pass over x and out.
    """
    batch, height, width, channels = shape
    simd.run_tasks(_split_row, batch * dh * high, x, height, width, channels, dh, dw, high, wide, out)


@threaded_kernel
def _join(phases, shape, dh, dw, high, wide, out):
    """out[n, i, j, :] = phases[(n, i mod dh, j mod dw), i // dh, j // dw, :]; both flat

    Owns: a task writes one row of an image. Cost: one pass over out.
    """
    batch, height, width, channels = shape
    simd.run_tasks(_join_row, batch * height, phases, height, width, channels, dh, dw, high, wide, out)


def _room(x, dilation):
    """Uninitialised phases of ``x`` (N, H, W, C): (N dh dw, ceil(H / dh), ceil(W / dw), C)."""
    (dh, dw), (n, h, w, c) = dilation, x.shape
    return np.empty((n * dh * dw, -(-h // dh), -(-w // dw), c), x.dtype)


def split(x, dilation):
    """The phases of ``x`` (N, H, W, C)."""
    phases = _room(x, dilation)
    _split(x.reshape(-1), x.shape, *dilation, *phases.shape[1:3], phases.reshape(-1))
    return phases


def join(phases, dilation, x):
    """Write ``x`` (N, H, W, C) from its phases."""
    _join(phases.reshape(-1), x.shape, *dilation, *phases.shape[1:3], x.reshape(-1))


def _plain(padding, dilation):
    """Stride, padding, dilation and groups of the convolution on phases."""
    return (1, 1), tuple(p // d for p, d in zip(padding, dilation, strict=True)), (1, 1), 1


def forward(x, w, b, stride, padding, dilation, groups, y):
    """As naive.forward, where it applies."""
    results = _room(y, dilation)
    winograd.forward(split(x, dilation), w, b, *_plain(padding, dilation), results)
    join(results, dilation, y)


def input_grad(dy, w, stride, padding, dilation, groups, dx):
    """As naive.input_grad, likewise."""
    results = _room(dx, dilation)
    winograd.input_grad(split(dy, dilation), w, *_plain(padding, dilation), results)
    join(results, dilation, dx)


def weight_grad(x, dy, stride, padding, dilation, groups, dw):
    """As naive.weight_grad, likewise."""
    winograd.weight_grad(split(x, dilation), split(dy, dilation), *_plain(padding, dilation), dw)

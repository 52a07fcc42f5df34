"""Which algorithm computes a convolution, and its kernels on arrays in their memory order."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from scratchconv import backends, simd
from scratchconv.kernels.conv2d import depthwise, dilated, direct, im2col, naive, rows, winograd
from scratchconv.kernels.conv2d._source import plain
from scratchconv.ops._op import Array

WINOGRAD_SUMS = 8192  # pairs of channel and filter up to which Winograd's weight gradient is faster than direct's
STRIDED_PAIRS = 16384  # pairs up to which Winograd with stride 2 is faster than direct: more kernels leave the cache
WINOGRAD_PAIRS = 512  # pairs for each pixel of results, from which on it costs too much to transform the weights
WITHOUT_SOURCES = (naive, im2col, depthwise, dilated)  # these read plain arrays only


class Geometry(NamedTuple):
    """Stride, padding and dilation (height, width) and the number of channel groups."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


def choose(w: tuple[int, ...], geometry: Geometry, results: Array) -> Any:
    """Return the module that computes ``results``, y (N, OH, OW, F) or dx (N, H, W, C), from ``w`` (KH, KW, C/G, F)."""
    return _choose(backends.conv.algorithm, backends.conv.precision, w, geometry, results.shape, results.dtype)


@functools.lru_cache(maxsize=1024)
def _choose(
    name: str, precision: str, w: tuple[int, ...], geometry: Geometry, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Any:
    """As ``choose``; one of its questions after the other takes longer than to launch a kernel."""
    stride, padding, dilation, groups = geometry
    results, taps = np.ndarray(shape, dtype, bytes(dtype.itemsize), 0, (0,) * len(shape)), w[:2]
    if name in ("naive", "im2col"):
        return {"naive": naive, "im2col": im2col}[name]
    channels = w[2] * w[3] // results.shape[3]  # that are added up: of x, or of dy for the input gradient
    if name in ("auto", "winograd") and winograd.applies(taps, stride, dilation, groups, channels, precision):
        pixels = results.size // max(1, results.shape[3])
        most = WINOGRAD_PAIRS * pixels
        if stride[0] > 1:  # a vector of channels that is partly empty costs more than this saves
            most = min(most, STRIDED_PAIRS) if channels % simd.lanes(dtype) == 0 else 0
        if name == "winograd" or (winograd.pays(w[2], w[3], pixels) and w[2] * w[3] <= most):
            return winograd
    if name in ("auto", "winograd") and dilated.applies(taps, stride, padding, dilation, groups, channels):
        if name == "winograd" or dilated.pays(w[2], w[3], results.shape, dilation):
            return dilated
    if name in ("auto", "rows") and rows.applies(taps, stride, dilation, groups, results):
        return rows
    if name == "auto" and groups > 1 and w[2] == 1 and groups == w[3]:
        return depthwise
    return direct


def joins(inputs: Any, weights: Any, w: Array, geometry: Geometry, results: Array) -> bool:
    """Whether the modules for the input and for the weight gradient are one that computes both in one pass."""
    pixels = results.size // max(1, results.shape[3])
    return inputs is weights is winograd and winograd.joins(w, geometry.stride, pixels, backends.conv.precision)


def choose_weight_grad(w: tuple[int, ...], geometry: Geometry, dy: Array, *, alone: bool = True) -> Any:
    """Return the module that computes dw of the shape ``w`` from x and ``dy`` (N, OH, OW, F), ``alone`` or with dx."""
    algorithm = choose(w, geometry, dy)
    if backends.conv.algorithm != "auto" or algorithm not in (winograd, dilated):
        return algorithm
    # Winograd's partial sums of dw are larger than dw by the tile's products for each tap: they have to stay in cache.
    # With stride 2 it is faster only where dx is made of the same transforms.
    direct_is_faster = w[2] * w[3] > WINOGRAD_SUMS or (alone and geometry.stride != (1, 1))
    return direct if direct_is_faster else algorithm


def forward(x: Array, w: Array, b: Array, geometry: Geometry, y: Array) -> None:
    """Write y (N, OH, OW, F) from x (N, H, W, C), w (KH, KW, C/G, F) and b (F,)."""
    algorithm = choose(w.shape, geometry, y)
    if algorithm in WITHOUT_SOURCES:
        algorithm.forward(x, w, b, *geometry, y)
    else:
        algorithm.run_forward(plain(x), w, b, *geometry, y, precision=backends.conv.precision)


def input_grad(dy: Array, w: Array, geometry: Geometry, dx: Array) -> None:
    """Write dx (N, H, W, C) from dy (N, OH, OW, F) and w."""
    algorithm = choose(w.shape, geometry, dx)
    if algorithm in WITHOUT_SOURCES:
        algorithm.input_grad(dy, w, *geometry, dx)
    else:
        algorithm.run_input_grad(plain(dy), w, *geometry, dx, precision=backends.conv.precision)


def weight_grad(x: Array, dy: Array, geometry: Geometry, dw: Array) -> None:
    """Write dw (KH, KW, C/G, F) from x and dy."""
    algorithm = choose_weight_grad(dw.shape, geometry, dy)
    if algorithm in WITHOUT_SOURCES:
        algorithm.weight_grad(x, dy, *geometry, dw)
    else:
        algorithm.run_weight_grad(plain(x), plain(dy), *geometry, dw, precision=backends.conv.precision)


def backward(x: Array, dy: Array, w: Array, geometry: Geometry, dx: Array | None, dw: Array | None) -> None:
    """Write dx and dw, each if given."""
    if dx is not None and dw is not None:
        algorithm = choose(w.shape, geometry, dx)
        if joins(algorithm, choose_weight_grad(w.shape, geometry, dy, alone=False), w, geometry, dy):
            precision = backends.conv.precision
            algorithm.run_backward(plain(x), plain(dy), w, *geometry, dx, dw, precision=precision)
            return
    if dx is not None:
        input_grad(dy, w, geometry, dx)
    if dw is not None:
        weight_grad(x, dy, geometry, dw)


def bias_grad(dy: Array, db: Array) -> None:
    """Write db (F,), the sum of dy over all pixels."""
    (naive if backends.conv.algorithm == "naive" else direct).bias_grad(dy, db)

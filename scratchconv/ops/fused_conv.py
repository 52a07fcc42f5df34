"""Convolution together with its neighbours: BatchNorm, ReLU, addition and 2x2 max pooling, forward and backward.

Activations and gradients between convolutions are described (``Reading``, ``Gradient``) instead of stored; the kernels
compute them while they copy their source into scratch, and finish their results while these are in cache (``Target``).
All activations are (N, H, W, C) C-contiguous arrays, weights (KH, KW, C/G, F).
"""

from __future__ import annotations

import functools
import sys
from typing import Any, NamedTuple

import numpy as np

from scratchconv import backends
from scratchconv.kernels import _tape
from scratchconv.kernels.conv2d import _ends, _finish, _source, direct
from scratchconv.kernels.conv2d._source import FAR
from scratchconv.kernels.linear import _on_pixels
from scratchconv.ops._convolution import WITHOUT_SOURCES, Geometry, choose, choose_weight_grad, joins
from scratchconv.ops._op import Array

__all__ = [
    "Gradient",
    "Reading",
    "Selection",
    "Sums",
    "Target",
    "algorithm_for",
    "backward",
    "forward",
    "linear",
    "linear_input_grad",
    "mean",
    "read",
    "receive",
]


class Reading(NamedTuple):
    """An activation a that a convolution reads; it need not exist in memory."""

    z: Array  # (N, H, W, C)
    scale: Array | None = None  # (C,); None: a = z, else a = relu(z * scale + shift [+ the skip])
    shift: Array | None = None
    skip: Array | None = None  # (N, H, W, C): adds skip, or skip * skip_scale + skip_shift
    skip_scale: Array | None = None
    skip_shift: Array | None = None
    out: Array | None = None  # where a is also stored, for those who read it again
    far: int = FAR  # bytes from which on ``out`` is stored past the caches


class Selection(NamedTuple):
    """Pooling of a convolution's result y: it commutes with a monotone BatchNorm and ReLU."""

    selected: Array  # (N, OH // 2, OW // 2, F): receives the largest value of each 2x2 window of y,
    slope: Array  # (F,): where this is negative, the smallest
    alone: bool = False  # y itself is not wanted, and need not be written


class Gradient(NamedTuple):
    """The gradient dy of a convolution's result y; it need not exist in memory."""

    g: Array  # (N, OH, OW, F), or (N, OH // 2, OW // 2, F) if ``selected`` is given
    y: Array | None = None  # None: dy = g, else dy = a * g + b * (y - mean) + c, BatchNorm's backward pass
    a: Array | None = None  # (F,)
    b: Array | None = None
    mean: Array | None = None
    c: Array | None = None
    selected: Array | None = None  # g reaches the first pixel of each 2x2 window with y == selected, others get none


class Target(NamedTuple):
    """What becomes of dx, the gradient of a Reading: g = [a > 0] * (dx + extra)."""

    g: Array  # (N, H, W, C), written
    mask: Array | None = None  # a, where it is stored; a Reading with a scale knows its own mask
    extra: Array | None = None  # the gradient that arrives by the skip connection
    z: Array | None = None  # with the mean of z: Σ g and Σ g * (z - mean) are wanted
    mean: Array | None = None  # (C,), or None for zeros
    z2: Array | None = None  # a second BatchNorm's input, likewise
    mean2: Array | None = None
    far: int = FAR  # bytes from which on ``g`` is stored past the caches


class Sums(NamedTuple):
    """Sums over all pixels, float64 (C,)."""

    g: Array
    gz: Array
    gz2: Array | None


def forward(
    source: Reading,
    w: Array,
    b: Array,
    geometry: Geometry,
    y: Array,
    *,
    statistics: bool = False,
    selection: Selection | None = None,
    far: int = FAR,
) -> tuple[Array, Array] | None:
    """Write y = conv(source) + b; return mean and biased variance of its channels (float64) if asked for.

    From ``far`` bytes on y is stored past the caches (see ``_source.far_for``).
    """
    algorithm = algorithm_for(w.shape, geometry, y)
    if source.out is not None and not _reads_all(source.z.shape, w.shape, geometry, y.shape):
        read(source, source.out)
        source = Reading(source.out)
    with _tape.preparing():
        described = _as_source(source)
        prepared = algorithm.prepare_forward(described, w, b, *geometry, y, precision=backends.conv.precision)
        finish = prepared.finish(y, _finishing(y, selection, _finish.MOMENTS if statistics else 0, far))
    prepared.launch(described, y, finish)
    return _moments(finish, y.shape[3]) if statistics else None


def _finishing(y: Array, selection: Selection | None, kind: int, far: int) -> Any:
    """Return what makes the description of a forward pass's finish, None if there is nothing to do."""
    selected, slope, alone = selection or (None, None, False)
    if selection is not None:
        kind |= _finish.SELECT | (_finish.DROP if alone else 0)
    make = functools.partial(_finish.make_finish, kind, y, coefficients=[slope], far=far, selected=selected)
    return make if kind else None


def backward(
    source: Reading,
    gradient: Gradient,
    w: Array,
    geometry: Geometry,
    *,
    dw: Array | None = None,
    target: Target | None = None,
) -> Sums | None:
    """Write dw and the gradient of what was read (``target``), each if given; return the sums that target asks for."""
    x, dy = _as_source(source._replace(out=None)), _as_gradient(gradient)
    results = gradient.g if gradient.y is None else gradient.y
    weights, precision = choose_weight_grad(w.shape, geometry, results, alone=target is None), backends.conv.precision
    weights = direct if weights in WITHOUT_SOURCES else weights
    if target is None:
        if dw is not None:
            weights.run_weight_grad(x, dy, *geometry, dw, precision=precision)
        return None
    kind = _receiving(source, target)
    finishing = functools.partial(_finish.make_finish, kind, target.g, **_receiving_arrays(source, target))
    options: dict[str, Any] = {"make_finish": finishing if kind else None, "precision": precision}
    inputs = algorithm_for(w.shape, geometry, target.g)
    if dw is not None and joins(inputs, weights, w, geometry, results):
        return _sums(inputs.run_backward(x, dy, w, *geometry, target.g, dw, **options), target)
    if dw is not None:
        weights.run_weight_grad(x, dy, *geometry, dw, precision=precision)
    return _sums(inputs.run_input_grad(dy, w, *geometry, target.g, **options), target)


def read(source: Reading, out: Array) -> None:
    """Write the activation that ``source`` describes to ``out`` (N, H, W, C)."""
    with _tape.preparing():
        described = _as_source(source._replace(out=None))
    _ends.read_all(described, len(out), out.reshape(-1))


def mean(source: Reading, out: Array) -> None:
    """Write the mean over the pixels of each image of what ``source`` describes to ``out`` (N, C)."""
    with _tape.preparing():
        described = _as_source(source)
    _ends.mean_all(described, len(out), out.reshape(-1))


def receive(source: Reading, dx: Array, target: Target) -> Sums | None:
    """Write target.g from dx (N, H, W, C), the whole gradient of what ``source`` describes, and return the sums.

    ``dx`` may lie in memory in any way.
    """
    g = target.g
    if g is not dx:
        _tape.do(np.copyto, g, dx)
    arrays = _receiving_arrays(source, target) | {"far": sys.maxsize}  # g is in a cache, from where it is read
    finish = _finish.make_finish(_receiving(source, target), g, len(g), **arrays)
    _ends.receive_all(finish, len(g), g[0].size // g.shape[3] if len(g) else 0, g.shape[3], g.reshape(-1))
    return _sums(finish, target)


def linear(source: Reading, w: Array, b: Array, x: Array, y: Array) -> None:
    """Write what ``source`` describes to ``x`` (N, C') and y = x wᵀ + b (N, F); w (F, C'), of few filters."""
    with _tape.preparing():
        described = _as_source(source._replace(out=None))
    _on_pixels.forward(described, w, b, x, y)


def linear_input_grad(source: Reading, dy: Array, w: Array, target: Target) -> Sums | None:
    """Write target.g from dx = dy w, the whole gradient of what ``source`` describes, and return the sums."""
    g = target.g
    finish = _finish.make_finish(_receiving(source, target), g, len(g), **_receiving_arrays(source, target))
    _on_pixels.input_gradient(dy, w, finish, g)
    return _sums(finish, target)


def algorithm_for(w: tuple[int, ...], geometry: Geometry, results: Array) -> Any:
    """Return the module that computes a fused convolution; arguments as those of ``_convolution.choose``."""
    algorithm = choose(w, geometry, results)
    return direct if algorithm in WITHOUT_SOURCES else algorithm


def _reads_all(x: tuple[int, ...], w: tuple[int, ...], geometry: Geometry, y: tuple[int, ...]) -> bool:
    """Whether the windows of a convolution reach every pixel of x."""
    for size, taps, out, stride, padding, dilation in zip(x[1:3], w[:2], y[1:3], *geometry[:3], strict=True):
        span = dilation * (taps - 1) + 1
        if span < stride or (out - 1) * stride + span - padding < size:
            return False
    return True


def _as_source(reading: Reading) -> Any:
    """Describe a reading to the kernels."""
    if reading.scale is None:
        return _source.plain(reading.z)
    kind = _source.ACTIVATION | (_source.STORE if reading.out is not None else 0)
    if reading.skip is not None:
        kind |= _source.SKIP if reading.skip_scale is None else _source.SKIP_AFFINE
    rows = [reading.scale, reading.shift]
    if reading.skip_scale is not None:
        rows += [reading.skip_scale, reading.skip_shift]
    return _source.make_source(kind, reading.z, reading.skip, reading.out, rows, reading.far)


def _as_gradient(gradient: Gradient) -> Any:
    """Describe a gradient to the kernels."""
    if gradient.y is None:
        return _source.plain(gradient.g)
    kind = _source.GRADIENT | (_source.POOLED if gradient.selected is not None else 0)
    rows = (gradient.a, gradient.mean, gradient.b, gradient.c)
    return _source.make_source(kind, gradient.g, gradient.y, gradient.selected, rows)


def _receiving(source: Reading, target: Target) -> int:
    """What the kernels have to do to dx."""
    kind = _finish.EXTRA if target.extra is not None else 0
    if source.scale is not None:
        kind |= _finish.MASK_AFFINE
    elif target.mask is not None:
        kind |= _finish.MASK
    if target.z is not None:
        kind |= _finish.SUMS | (_finish.SECOND if target.z2 is not None else 0)
    return kind | _finish.RECEIVE if kind else _finish.NOTHING


def _receiving_arrays(source: Reading, target: Target) -> dict[str, Any]:
    """Return the arrays and coefficients that belong to ``_receiving``."""
    sums = (target.z, target.mean), (target.z2, target.mean2)
    means = [np.zeros(z.shape[3]) if z is not None and mean is None else mean for z, mean in sums]
    return {
        "z": source.z if source.scale is not None else target.z,
        "a": target.mask,
        "extra": target.extra,
        "z2": target.z2,
        "coefficients": [source.scale, source.shift, *means],
        "far": target.far,
    }


def _moments(finish: Any, channels: int) -> tuple[Array, Array]:
    mean, var = np.empty(channels), np.empty(channels)
    _finish.merge_moments(finish.sums, finish.pitch, mean, var)
    return mean, var


def _sums(finish: Any, target: Target) -> Sums | None:
    if target.z is None:
        return None
    sums = np.empty((3, target.g.shape[3]))
    _finish.merge_sums(finish.sums, finish.pitch, sums)
    return Sums(sums[0], sums[1], sums[2] if target.z2 is not None else None)

"""BatchNorm as an affine map of each channel, alone or fused to a convolution: kernels/batch_norm/README.md."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scratchconv.kernels import _tape
from scratchconv.kernels.batch_norm import _affine
from scratchconv.kernels.conv2d._source import table
from scratchconv.ops._layout import contiguous
from scratchconv.ops._op import Array


class Map(NamedTuple):
    """BatchNorm is z * scale + shift; all (C,). The first three are rows of one table, as kernels read them."""

    scale: Array  # of the dtype of the activation
    shift: Array
    centre: Array  # the mean
    mean: Array  # float64
    inverse_std: Array  # 1 / sqrt(var + eps), float64
    a: Array  # the scale, float64
    of_batch: bool  # whether mean and variance are those of z, and so have a part in its gradient


class Gradients(NamedTuple):
    """dz = a g + b (z - mean) + c, and the gradients of gamma, beta and a bias before; the first four are one table."""

    a: Array
    mean: Array
    b: Array
    c: Array
    dgamma: Array
    dbeta: Array
    db: Array


def identity(channels: int, dtype: Any) -> Map:
    """Return no BatchNorm."""
    rows, wide = table(4, channels, dtype), np.zeros((2, channels))
    rows[0], wide[1] = 1, 1
    scale, shift, centre = rows[:3, :channels]
    return Map(scale, shift, centre, wide[0], wide[1], wide[1], False)


def map_of(
    mean: Array, var: Array, gamma: Array | None, beta: Array | None, eps: float, dtype: Any, *, of_batch: bool
) -> Map:
    """Return BatchNorm by the statistics ``mean`` and ``var``, float64 (C,). A missing gamma is one, beta zero."""
    channels = len(mean)
    rows, wide, none = table(4, channels, dtype), np.empty((2, channels)), np.empty(0, dtype)
    values = [none if given is None else contiguous(given) for given in (gamma, beta)]
    _affine.of_statistics(mean, var, *values, float(eps), wide[0], wide[1], rows)
    scale, shift, centre = rows[:3, :channels]
    return Map(scale, shift, centre, mean, wide[0], wide[1], of_batch)


def move_running(
    running_mean: Array | None,
    running_var: Array | None,
    mean: Array,
    var: Array,
    count: int,
    momentum: float,
    batches: Array | None = None,
) -> None:
    """Move the running buffers, if there are any, towards the statistics of ``count`` values a channel.

    That is one batch more in ``batches``, int64 of one element.
    """
    if running_mean is None or running_var is None:
        return
    inside = contiguous(running_mean), contiguous(running_var)
    counted = np.empty(0, np.int64) if batches is None else batches.reshape(1)
    _affine.move_running(mean, var, count, float(momentum), *inside, counted)
    for buffer, moved in zip((running_mean, running_var), inside, strict=True):
        if moved is not buffer:
            _tape.do(np.copyto, buffer, moved)


def gradient_of(norm: Map, sum_g: Array, sum_gz: Array, count: int, dtype: Any) -> Gradients:
    """Return what follows from the sums Σ g and Σ g (z - mean) over ``count`` values a channel.

    The gradients of parameters have ``dtype``, the others that of norm.scale.
    """
    channels = len(norm.a)
    rows, out = table(4, channels, norm.scale.dtype), [np.empty(channels, dtype) for _ in range(3)]
    _affine.of_gradient(norm.mean, norm.inverse_std, norm.a, sum_g, sum_gz, count if norm.of_batch else 0, rows, *out)
    return Gradients(*rows[:, :channels], *out)

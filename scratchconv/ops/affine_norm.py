"""BatchNorm as an affine map of each channel, for those who fuse it to a convolution: kernels/batch_norm/README.md."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scratchconv.kernels import _tape
from scratchconv.kernels.batch_norm import _affine
from scratchconv.ops._layout import contiguous
from scratchconv.ops._op import Array


class Gradients(NamedTuple):
    """dz = a g + b (z - mean) + c, with b and c float64 (C,), and the gradients of gamma, beta and a bias before."""

    b: Array
    c: Array
    dgamma: Array
    dbeta: Array
    db: Array


def map_of(
    mean: Array, var: Array, gamma: Array | None, beta: Array | None, eps: float, dtype: Any
) -> tuple[Array, Array, Array, Array, Array]:
    """Return scale and shift (of ``dtype``), mean, 1 / sqrt(var + eps) and the scale in float64, each (C,).

    A missing gamma is one, a missing beta zero.
    """
    channels = len(mean)
    rows, wide, none = np.empty((2, channels), dtype), np.empty((2, channels)), np.empty(0, dtype)
    values = [none if given is None else contiguous(given) for given in (gamma, beta)]
    _affine.of_statistics(mean, var, *values, float(eps), wide[0], wide[1], rows[0], rows[1])
    return rows[0], rows[1], mean, wide[0], wide[1]


def move_running(
    running_mean: Array | None, running_var: Array | None, mean: Array, var: Array, count: int, momentum: float
) -> None:
    """Move the running buffers, if there are any, towards the statistics of ``count`` values a channel."""
    if running_mean is None or running_var is None:
        return
    inside = contiguous(running_mean), contiguous(running_var)
    _affine.move_running(mean, var, count, float(momentum), *inside)
    for buffer, moved in zip((running_mean, running_var), inside, strict=True):
        if moved is not buffer:
            _tape.do(np.copyto, buffer, moved)


def gradient_of(a: Array, inverse_std: Array, sum_g: Array, sum_gz: Array, count: int, dtype: Any) -> Gradients:
    """Return what follows from the sums Σ g and Σ g (z - mean) over ``count`` values a channel.

    A ``count`` of 0 says that mean and variance are constants. The gradients have ``dtype``.
    """
    rows, out = np.empty((2, len(a))), [np.empty(len(a), dtype) for _ in range(3)]
    _affine.of_gradient(a, inverse_std, sum_g, sum_gz, count, rows, *out)
    return Gradients(rows[0], rows[1], *out)

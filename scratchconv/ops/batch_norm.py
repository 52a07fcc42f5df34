"""Batch normalisation of channels, in training (statistics of the batch) and evaluation (running statistics).

y = (x - mean) / sqrt(var + eps) * gamma + beta. With xhat = (x - mean) / sqrt(var + eps) and M elements a channel,

    dgamma = Σ dy xhat      dbeta = Σ dy
    dx = gamma / sqrt(var + eps) * (dy - dbeta / M - xhat * dgamma / M)    in training
    dx = gamma / sqrt(var + eps) * dy                                      in evaluation
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from scratchconv.kernels.batch_norm import vector
from scratchconv.ops import _checks
from scratchconv.ops._layout import channels_last, channels_second, contiguous
from scratchconv.ops._memory import empty
from scratchconv.ops._op import Array
from scratchconv.ops.affine_norm import Map, gradient_of, map_of, move_running

fresh = True  # see _op.Op


class Saved(NamedTuple):
    """What the gradients need."""

    x: Array  # (M, C)
    shape: tuple[int, ...]  # of x as it came, channels moved last
    norm: Map


def forward(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    running_mean: Array | None,
    running_var: Array | None,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Saved]:
    """Normalise each channel of ``x`` (N, C, ...) and scale it by ``gamma`` (C,) and shift it by ``beta`` (C,).

    In training by mean and variance of the batch. They also move the running buffers (C,), in place:
    running = (1 - momentum) * running + momentum * statistic, with the unbiased variance; an empty batch moves nothing.
    In evaluation by the running buffers. A missing gamma is one, a missing beta zero. y has channels-last memory.

    Raises
    ------
    RuntimeError
        If a shape or dtype does not fit, or evaluation has no running statistics.
    ValueError
        If training has one running buffer only, one value a channel only, or if eps is out of range.
    TypeError
        If momentum or eps is not a number.
    NotImplementedError
        If ``x`` is not float32 or float64.
    """
    numbers: dict[str, Any] = {"training": training, "momentum": momentum, "eps": eps}
    channels = check(x, gamma, beta, running_mean=running_mean, running_var=running_var, **numbers)
    last = channels_last(x)
    rows = contiguous(last).reshape(math.prod(last.shape[:-1]), channels)
    mean, var = np.zeros(channels), np.ones(channels)
    if training and rows.size:
        vector.moments(rows, mean, var)
        move_running(running_mean, running_var, mean, var, len(rows), momentum)
    elif not training:
        mean[:], var[:] = running_mean, running_var
    norm = map_of(mean, var, gamma, beta, eps, np.float64, of_batch=training)
    y = empty(rows.shape, x.dtype)
    if rows.size:
        vector.normalize(rows, mean, norm.a, np.zeros(channels) if beta is None else beta.astype(np.float64), y)
    return _restored(y, last.shape), Saved(rows, last.shape, norm)


def backward(saved: Saved, dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
    """Gradients of x, gamma and beta (where ``needs`` says so) from ``dy``, the gradient of y."""
    x, shape, norm = saved
    dy = contiguous(channels_last(dy)).reshape(x.shape)
    total, moment = np.zeros((2, len(norm.mean)))
    if x.size and (norm.of_batch or any(needs[1:])):
        vector.gradient_sums(x, norm.mean, dy, total, moment)
    found = gradient_of(norm, total, moment, len(x), x.dtype)
    dx = None
    if needs[0]:
        dx = empty(x.shape, x.dtype)
        if x.size and norm.of_batch:
            vector.input_gradient(x, norm.mean, dy, norm.a, found.b, found.c, dx)
        elif x.size:
            zero = np.zeros(len(norm.mean))
            vector.normalize(dy, zero, norm.a, zero, dx)
        dx = _restored(dx, shape)
    gradients = (dx, found.dgamma, found.dbeta)
    return tuple(gradient if need else None for gradient, need in zip(gradients, needs, strict=False))


def check(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    running_mean: Array | None,
    running_var: Array | None,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> int:
    """Return the number of channels, or raise as ``forward`` says."""
    channels = _check_arrays(x, gamma, beta, running_mean, running_var)
    _check_mode(x, running_mean, running_var, training, momentum, eps)
    return channels


def _check_arrays(
    x: Array, gamma: Array | None, beta: Array | None, running_mean: Array | None, running_var: Array | None
) -> int:
    """Return the number of channels, or raise unless all arrays have that many elements and one dtype."""
    _checks.supported(x, "batch_norm")
    if x.ndim < 2:
        raise RuntimeError(f"input must be (N, C, ...), got {x.shape}")
    arrays = {"weight": gamma, "bias": beta, "running_mean": running_mean, "running_var": running_var}
    for name, array in arrays.items():
        if array is not None and array.shape != (x.shape[1],):
            raise RuntimeError(f"{name} must have one number for each channel of {x.shape}, got {array.shape}")
    _checks.same_dtype(input=x, **arrays)
    return int(x.shape[1])


def _check_mode(
    x: Array, running_mean: Array | None, running_var: Array | None, training: bool, momentum: float, eps: float
) -> None:
    """Raise unless the settings fit the mode."""
    numbers: dict[str, Any] = {"momentum": momentum, "eps": eps}
    for name, value in numbers.items():
        if not isinstance(value, Real):
            raise TypeError(f"{name} must be a number, got {value!r}")
    missing = [name for name, array in (("mean", running_mean), ("var", running_var)) if array is None]
    if not training and missing:
        raise RuntimeError(f"evaluation needs running_mean and running_var, got None for running_{missing[0]}")
    if len(missing) == 1:
        raise ValueError(f"running_mean and running_var must both be arrays or both None, got None for {missing[0]}")
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"eps must be {'positive in training' if training else 'at least 0'}, got {eps}")
    if training and x.size == x.shape[1] != 0:
        raise ValueError(f"training needs more than one value a channel, got input {x.shape}")


def _restored(rows: Array, shape: tuple[int, ...]) -> Array:
    """Return (M, C) ``rows`` with the channels back at axis 1."""
    return channels_second(rows.reshape(shape))

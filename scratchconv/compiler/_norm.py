"""BatchNorm between two convolutions as a scale and a shift, and its backward pass as four numbers a channel.

With the statistics of z over M pixels, istd = 1 / sqrt(var + eps) and a = gamma istd, BatchNorm is
z a + (beta - mean a). Its gradient, dz = a (g - dbeta / M - xhat dgamma / M) with xhat = (z - mean) istd, dbeta = Σ g,
dgamma = istd Σ g (z - mean), is dz = a g + b (z - mean) + c with b = -a istd² Σ g (z - mean) / M and c = -a Σ g / M.
In evaluation b = c = 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from scratchconv import nn
from scratchconv.autograd import Tensor
from scratchconv.compiler._graph import Node
from scratchconv.ops._op import Array
from scratchconv.ops.affine_norm import gradient_of, map_of, move_running


class Affine(NamedTuple):
    """y = z * scale + shift for each channel; the rest, float64, is what the backward pass needs (None without one)."""

    scale: Array  # of z's dtype
    shift: Array
    mean: Array | None = None
    inverse_std: Array | None = None
    a: Array | None = None
    training: bool = False


class Coefficients(NamedTuple):
    """dz = a g + b (z - mean) + c, float64; and the gradients of gamma, of beta, and of the bias of the convolution."""

    a: Array
    b: Array
    mean: Array
    c: Array
    dgamma: Array
    dbeta: Array
    db: Array


def identity(channels: int, dtype: Any) -> Affine:
    """No BatchNorm."""
    return Affine(np.ones(channels, dtype), np.zeros(channels, dtype))


def tensors(node: Node, layer: nn.BatchNorm2d | None) -> list[Tensor]:
    """Return all that an affine map in evaluation is made from."""
    running = [node.params["running_mean"], node.params["running_var"]]
    found = list(map(Tensor, running)) if layer is None else [layer.running_mean, layer.running_var]
    return found + [value.leaf for value in node.inputs[1:] if value is not None]


def affine(
    node: Node, layer: nn.BatchNorm2d | None, moments: tuple[Array, Array] | None, count: int, dtype: Any
) -> Affine:
    """BatchNorm as an affine map: of the batch's ``moments`` over ``count`` pixels, or of the running statistics.

    In training this moves the running statistics and counts the batch, as a call of the layer does.
    """
    params = node.params
    running_mean, running_var, momentum = params["running_mean"], params["running_var"], params["momentum"]
    if layer is not None:
        running_mean, running_var = layer.running_mean.data, layer.running_var.data
    if moments is None:
        mean, var = running_mean.astype(np.float64), running_var.astype(np.float64)
    else:
        mean, var = moments
        if layer is not None and layer.training:
            momentum = layer._count_batch()
        move_running(running_mean, running_var, mean, var, count, momentum)
    gamma, beta = (None if value is None else value.leaf.data for value in (*node.inputs[1:], None, None)[:2])
    return Affine(*map_of(mean, var, gamma, beta, params["eps"], dtype), moments is not None)


def coefficients(norm: Affine, sum_g: Array, sum_gz: Array, count: int, dtype: Any) -> Coefficients:
    """Turn the sums of a backward pass into the coefficients of dz and the gradients that follow from them."""
    a, mean, inverse_std = norm.a, norm.mean, norm.inverse_std
    if a is None or mean is None or inverse_std is None:
        a = inverse_std = np.ones(len(norm.scale))
        mean = np.zeros(len(a))
    found = gradient_of(a, inverse_std, sum_g, sum_gz, count if norm.training else 0, dtype)
    return Coefficients(a, found.b, mean, found.c, found.dgamma, found.dbeta, found.db)

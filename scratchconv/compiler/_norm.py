"""BatchNorm between two convolutions as a scale and a shift, and its backward pass as four numbers a channel.

With the statistics of z over M pixels, istd = 1 / sqrt(var + eps) and a = gamma istd, BatchNorm is
z a + (beta - mean a). Its gradient, dz = a (g - dbeta / M - xhat dgamma / M) with xhat = (z - mean) istd, dbeta = Σ g,
dgamma = istd Σ g (z - mean), is dz = a g + b (z - mean) + c with b = -a istd² Σ g (z - mean) / M and c = -a Σ g / M.
In evaluation b = c = 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchconv import nn
from scratchconv.compiler._graph import Node
from scratchconv.compiler._run import Run
from scratchconv.ops.affine_norm import Map, map_of, move_running

Pair = tuple[Any, Any]  # mean and variance, (C,)


def affine(run: Run, node: Node, layer: nn.BatchNorm2d | None, moments: Pair | None, count: int, dtype: Any) -> Map:
    """BatchNorm as an affine map: of the batch's ``moments`` over ``count`` pixels, or of the running statistics.

    In training this moves the running statistics and counts the batch, as a call of the layer does.
    """
    params = node.params
    running = params["running_mean"], params["running_var"]
    if layer is not None:
        running = run.data(layer.running_mean), run.data(layer.running_var)
    if moments is None:
        mean, var = (np.empty(len(buffer)) for buffer in running)
        run.do(np.copyto, mean, running[0])
        run.do(np.copyto, var, running[1])
    else:
        mean, var = moments
        _move_running(run, params["momentum"], layer, running, moments, count)
    gamma, beta = (None if value is None else run.data(value.leaf) for value in (*node.inputs[1:], None, None)[:2])
    return map_of(mean, var, gamma, beta, params["eps"], dtype, of_batch=moments is not None)


def _move_running(
    run: Run, momentum: float, layer: nn.BatchNorm2d | None, running: Pair, moments: Pair, count: int
) -> None:
    """Move the running buffers as ``affine_norm.move_running`` does, and count the batch if there is a ``layer``."""
    if layer is None or not layer.training:
        move_running(*running, *moments, count, momentum)
    elif layer.momentum is not None and layer.num_batches_tracked is not None:
        batches = run.data(layer.num_batches_tracked)
        move_running(*running, *moments, count, layer.momentum, batches)
    else:
        run.do(lambda: move_running(*running, *moments, count, layer._count_batch()))

"""BatchNorm as a scale and a shift, and its backward pass as four numbers a channel, against the operation itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from scratchconv import nn
from scratchconv.compiler import _norm
from scratchconv.compiler._graph import Node
from scratchconv.compiler._run import Run
from scratchconv.compiler._trace import trace
from scratchconv.ops import affine_norm, batch_norm

CHANNELS, COUNT = 5, 3 * 4 * 2
# float64 sums of 24 numbers in another order
BOUND = 1e-12


def setup(training: bool, affine: bool) -> tuple[Any, Node, Any]:
    layer: Any = nn.BatchNorm2d(CHANNELS, affine=affine, dtype=np.float64).train(training)
    random = np.random.default_rng(0)
    for tensor in (*layer.parameters(), layer.running_mean):
        tensor.data[:] = random.standard_normal(CHANNELS)
    x = random.standard_normal((3, CHANNELS, 4, 2))
    graph = trace(layer, [sc.Tensor(x, requires_grad=True)])
    layer.num_batches_tracked.data[...] = 0
    return layer, graph.nodes[0], x


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_forward_and_backward(training: bool, affine: bool) -> None:
    layer, node, x = setup(training, affine)
    gamma, beta = (None if p is None else p.data for p in (layer.weight, layer.bias))
    running = {name: getattr(layer, name).data.copy() for name in ("running_mean", "running_var")}
    y, saved = batch_norm.forward(x, gamma, beta, **running, training=training)
    moments = (x.mean((0, 2, 3)), x.var((0, 2, 3))) if training else None
    run = Run(recording=True, frozen=False, far=0)
    norm = _norm.affine(run, node, layer, moments, COUNT, x.dtype)

    def broadcast(row: Any) -> Any:
        return row[:, None, None]

    assert np.abs(x * broadcast(norm.scale) + broadcast(norm.shift) - y).max() < BOUND
    for name, wanted in running.items():
        assert np.abs(getattr(layer, name).data - wanted).max() < BOUND
    assert layer.num_batches_tracked.item() == int(training)

    dy = np.random.default_rng(1).standard_normal(x.shape)
    dx, dgamma, dbeta = batch_norm.backward(saved, dy, (True, True, True))
    centered = x - broadcast(norm.mean)
    sum_g, sum_gz = dy.sum((0, 2, 3)), (dy * centered).sum((0, 2, 3))
    a, mean, b, c, *found = affine_norm.gradient_of(norm, sum_g, sum_gz, COUNT, np.float64)
    assert np.array_equal(mean, norm.mean)
    assert np.abs(dy * broadcast(a) + centered * broadcast(b) + broadcast(c) - dx).max() < BOUND
    for mine, wanted in zip(found, (dgamma, dbeta, dx.sum((0, 2, 3))), strict=True):
        assert np.abs(mine - wanted).max() < BOUND


def test_no_norm_changes_nothing() -> None:
    norm = affine_norm.identity(3, np.float32)
    assert norm.scale.tolist() == [1, 1, 1] and norm.shift.tolist() == [0, 0, 0] and norm.scale.dtype == np.float32
    a, _, b, c, *_, db = affine_norm.gradient_of(norm, np.ones(3), np.ones(3), 10, np.float32)
    assert a.tolist() == [1, 1, 1] and b.tolist() == c.tolist() == [0, 0, 0]
    assert db.tolist() == [1, 1, 1] and db.dtype == np.float32

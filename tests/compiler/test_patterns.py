"""Which chains become one kernel, and which must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import scratchconv as sc
from scratchconv import nn
from scratchconv.compiler._patterns import Matches, match
from scratchconv.compiler._trace import trace


def matches(model: nn.Module, *shape: int) -> Matches:
    return match(trace(model, [sc.zeros(*shape)]), model)


def test_the_cnn_is_two_pooled_chains() -> None:
    found = matches(sc.models.CNN(), 2, 1, 28, 28)
    assert [(len(a.branches), a.skip, a.pooled) for a in found.activations] == [(1, None, True)] * 2
    assert all(a is not None for a in found.convolutions.values()) and len(found.norms) == 2


def test_the_resnet_is_chains_blocks_and_projected_blocks() -> None:
    found = matches(sc.models.ResNet(), 2, 3, 32, 32)
    kinds = [(len(a.branches), a.skip is not None) for a in found.activations]
    assert kinds.count((1, False)) == 1 + 6
    assert kinds.count((1, True)) == 4
    assert kinds.count((2, False)) == 2
    assert len(found.convolutions) == len(found.norms) == 15
    assert not any(a.pooled for a in found.activations)


class Body(nn.Module):
    """A convolution, a BatchNorm, and a function of both of what comes between."""

    def __init__(self, function: Callable[[Any, sc.Tensor], sc.Tensor], **options: Any) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 4, 3, padding=1, **options), nn.BatchNorm2d(4)
        self.function = function

    def forward(self, x: sc.Tensor) -> sc.Tensor:
        return self.function(self, x)


def pool(y: sc.Tensor, **options: Any) -> sc.Tensor:
    return nn.functional.max_pool2d(y, **{"kernel_size": 2, **options})


FUSED: list[tuple[Callable[[Any, sc.Tensor], sc.Tensor], int, bool]] = [
    (lambda m, x: m.conv(x).relu(), 1, False),
    (lambda m, x: m.norm(m.conv(x)).relu(), 1, False),
    (lambda m, x: m.norm(m.conv(x)).relu_() * 2, 1, False),
    (lambda m, x: pool(m.norm(m.conv(x)).relu()), 1, True),
    (lambda m, x: pool(m.conv(x).relu(), stride=2, padding=0), 1, True),
    (lambda m, x: (m.norm(m.conv(x)) + x).relu(), 1, False),
    (lambda m, x: (x + m.norm(m.conv(x))).relu(), 1, False),
    (lambda m, x: (m.conv(x) + m.conv(x * 2)).relu(), 2, False),
    # The activation is used twice, so it cannot be pooled out of sight.
    (lambda m, x: (lambda a: pool(a).sum() + a.sum())(m.conv(x).relu()), 1, False),
    (lambda m, x: pool(m.conv(x).relu(), kernel_size=3, stride=2, padding=1), 1, False),
    (lambda m, x: pool(m.conv(x).relu(), ceil_mode=True), 1, False),
    (lambda m, x: pool(m.conv(x).relu(), stride=1), 1, False),
]


@pytest.mark.parametrize(("function", "branches", "pooled"), FUSED)
def test_fused(function: Any, branches: int, pooled: bool) -> None:
    (activation,) = matches(Body(function), 2, 4, 8, 8).activations
    assert (len(activation.branches), activation.pooled) == (branches, pooled)


NOT_FUSED: list[Callable[[Any, sc.Tensor], sc.Tensor]] = [
    lambda m, x: x.relu(),
    lambda m, x: m.norm(x).relu(),
    lambda m, x: (m.conv(x) * 2).relu(),
    lambda m, x: (lambda y: y.relu() + y)(m.conv(x)),  # what the ReLU reads is used again
    lambda m, x: (lambda y: m.norm(y).relu() + y)(m.conv(x)),
    lambda m, x: (lambda y: (y + y).relu())(m.conv(x)),
    lambda m, x: (m.conv(x) + x[:, :1]).relu(),  # broadcast
    lambda m, x: m.norm(m.conv(x)),
]


@pytest.mark.parametrize("function", NOT_FUSED)
def test_not_fused(function: Any) -> None:
    found = matches(Body(function), 2, 4, 8, 8)
    assert not found.activations
    assert all(activation is None for activation in found.convolutions.values())


def test_groups_run_as_an_ordinary_operation() -> None:
    found = matches(Body(lambda m, x: m.norm(m.conv(x)).relu(), groups=2), 2, 4, 8, 8)
    assert not found.activations and not found.convolutions and len(found.norms) == 1


@pytest.mark.parametrize("algorithm", ["naive", "im2col"])
def test_algorithms_that_cannot_fuse_do_not(algorithm: Any) -> None:
    sc.backends.conv.algorithm = algorithm
    try:
        assert not matches(sc.models.CNN(), 2, 1, 28, 28).convolutions
    finally:
        sc.backends.conv.algorithm = "auto"


def test_a_weight_that_is_computed_runs_as_an_ordinary_operation() -> None:
    def scaled(m: Any, x: sc.Tensor) -> sc.Tensor:
        return nn.functional.conv2d(x, m.conv.weight * 2).relu()

    assert not matches(Body(scaled), 2, 4, 8, 8).convolutions

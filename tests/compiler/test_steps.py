"""Fused steps against the chain of ordinary operations, case by case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import scratchconv as sc
from scratchconv import nn
from tests.compiler.networks import scattered
from tests.compiler.pairs import images, same_output, same_step, twins

Function = Callable[[Any, sc.Tensor], sc.Tensor]


class Body(nn.Module):
    """Two convolutions and their BatchNorms, and how they are put together."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.thin = nn.Conv2d(3, 3, 1, stride=2)
        self.norm, self.other = scattered(3), scattered(3)
        self.function = function

    def forward(self, x: sc.Tensor) -> sc.Tensor:
        return self.function(self, x)


def pool(y: sc.Tensor) -> sc.Tensor:
    return nn.functional.max_pool2d(y, 2)


CASES: dict[str, Function] = {
    "a convolution alone": lambda m, x: m.one(x),
    "relu without BatchNorm": lambda m, x: m.two(m.one(x).relu()),
    "pooled without BatchNorm": lambda m, x: m.two(pool(m.one(x).relu())),
    "pooled, odd size": lambda m, x: m.two(pool(m.norm(m.one(x)).relu())),
    "pooled at the end": lambda m, x: pool(m.norm(m.one(x)).relu()),
    "BatchNorm without relu": lambda m, x: m.two(m.norm(m.one(x))),
    "read by two convolutions": lambda m, x: (lambda a: m.two(a) + m.one(a))(m.norm(m.one(x)).relu()),
    "read by a convolution and by a sum": lambda m, x: (lambda a: m.two(a) + a * 2)(m.norm(m.one(x)).relu()),
    "read by a convolution that skips pixels": lambda m, x: m.thin(m.norm(m.one(x)).relu()),
    "stored, and read by one that skips pixels": lambda m, x: m.thin((m.norm(m.one(x)) + x).relu()),
    "skip of the input": lambda m, x: (m.norm(m.one(x)) + x).relu(),
    "skip of an activation": lambda m, x: (lambda a: (m.other(m.two(a)) + a).relu())(m.norm(m.one(x)).relu()),
    "two branches": lambda m, x: (m.norm(m.one(x)) + m.other(m.two(x))).relu(),
    "two branches, one BatchNorm": lambda m, x: (m.one(x) + m.other(m.two(x))).relu(),
    "the skip is used first": lambda m, x: (lambda a: (a * a).mean() + (m.two(a) + a).relu())(m.one(x).relu()),
    "one layer twice": lambda m, x: m.norm(m.two(m.norm(m.two(x)).relu())).relu(),
    "in place": lambda m, x: (lambda y: y.add_(x).relu_())(m.norm(m.one(x))),
    "a dead end": lambda m, x: (m.norm(m.one(x)).relu(), m.two(x).relu())[1],
}


@pytest.mark.parametrize("name", CASES)
def test_as_eager(name: str) -> None:
    eager, compiled = twins(lambda: Body(CASES[name]))
    for mode in (True, False):
        eager.train(mode), compiled.train(mode)
        same_step(eager, compiled, images(2, 3, 9, 7, requires_grad=True))
        same_output(eager, compiled, images(2, 3, 9, 7, seed=1))


@pytest.mark.parametrize("frozen", ["one", "two", "norm", "other"])
def test_frozen_layers(frozen: str) -> None:
    eager, compiled = twins(lambda: Body(CASES["skip of an activation"]))
    for model in (eager, compiled.model):
        getattr(model, frozen).requires_grad_(False)
    same_step(eager, compiled, images(2, 3, 9, 7))


def test_a_foreign_memory_order() -> None:
    eager, compiled = twins(lambda: Body(CASES["skip of the input"]))
    x = images(7, 9, 3, 2).numpy().transpose()
    same_step(eager, compiled, sc.Tensor(x, requires_grad=True))

"""Ordinary operations inside a plan: what they make is in other memory in each call."""

from __future__ import annotations

from collections.abc import Callable

import scratchconv as sc
from scratchconv import nn
from tests.compiler.pairs import SMALL, images, same_output, same_step, twins

Function = Callable[[sc.Tensor], sc.Tensor]


def test_plain_operations_between_convolutions_are_trained() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.end = nn.Conv2d(2, 3, 3), nn.Conv2d(3, 2, 3), nn.Linear(2, 2)

        def forward(self, x: sc.Tensor) -> sc.Tensor:
            y = self.one(x).relu()
            z = self.two(y * y.mean() + y.exp()) + x[:, :, 2:-2, 2:-2]
            return self.end((z.mean((2, 3)) * 0.1).exp()) + y.sum()

    eager, compiled = twins(Mixed)
    for seed in range(3):
        same_step(eager, compiled, images(*SMALL, seed=seed, requires_grad=True))


def test_plain_operations_between_convolutions_are_repeated() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(2, 3, 3), nn.Conv2d(3, 2, 3)

        def forward(self, x: sc.Tensor) -> sc.Tensor:
            y = self.one(x).relu()
            z = self.two(y * 2 + y.mean())
            return z.exp() + z

    eager, compiled = twins(Mixed)
    eager.eval(), compiled.eval()
    for seed in range(3):
        same_output(eager, compiled, images(*SMALL, seed=seed))


def test_gradients_of_several_readers_add_up_anew_in_each_call() -> None:
    eager, compiled = twins(lambda: Mixed(lambda y: y * y + y.exp() * y))
    for seed in range(3):
        same_step(eager, compiled, images(*SMALL, seed=seed, requires_grad=True))


class Mixed(nn.Module):
    """A convolution between ordinary operations."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(2, 2, 3, padding=1), function

    def forward(self, x: sc.Tensor) -> sc.Tensor:
        return self.function(self.conv(self.function(x * 0.1)).relu())

"""Linear layers on pixels and means over images, against the ordinary operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import scratchconv as sc
from scratchconv import nn
from scratchconv.compiler._heads import LinearStep, MeanStep
from scratchconv.ops import fused_conv
from tests.compiler.networks import scattered
from tests.compiler.pairs import images, same_output, same_step, twins

Function = Callable[[Any, sc.Tensor], sc.Tensor]


class Body(nn.Module):
    """A convolution and the layers that may follow it."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.conv, self.norm, self.function = nn.Conv2d(3, 4, 3, padding=1), scattered(4), function
        self.of_pixels, self.of_channels = nn.Linear(4 * 5 * 6, 3), nn.Linear(4, 20, bias=False)
        self.of_image = nn.Linear(3 * 5 * 6, 2)
        # Wide enough for the kernels that compute the activation on the way.
        self.wide, self.norm_wide = nn.Conv2d(3, 20, 3, padding=1), scattered(20)
        self.of_many, self.of_windows = nn.Linear(20 * 5 * 6, 11), nn.Linear(20 * 2 * 3, 3, bias=False)

    def forward(self, x: sc.Tensor) -> sc.Tensor:
        return self.function(self, x)


def mean(y: sc.Tensor, **settings: Any) -> sc.Tensor:
    return nn.functional.avg_pool2d(y, y.shape[2:], **settings)


CASES: dict[str, tuple[Function, int, int]] = {  # with the numbers of linear layers on pixels and of means
    "an activation, flat": (lambda m, x: m.of_pixels(m.norm(m.conv(x)).relu().flatten(1)), 1, 0),
    "a convolution, flat": (lambda m, x: m.of_pixels(m.conv(x).view(2, -1)), 1, 0),
    "the input, flat": (lambda m, x: m.of_image(x.flatten(1)), 1, 0),
    "flat for two": (lambda m, x: (lambda y: m.of_pixels(y) + y.sum())(m.conv(x).relu().flatten(1)), 0, 0),
    "an activation of two readers": (
        lambda m, x: (lambda y: m.of_pixels(y.flatten(1)) + y.sum())(m.norm(m.conv(x)).relu()),
        1,
        0,
    ),
    "another batch": (lambda m, x: m.of_pixels(m.conv(x).view(-1, 120)[:1]), 0, 0),
    "an activation, flat and of many channels": (lambda m, x: m.of_many(m.wide(x).relu().flatten(1)), 1, 0),
    "the same, pooled": (lambda m, x: m.of_windows(nn.functional.max_pool2d(m.wide(x).relu(), 2).flatten(1)), 1, 0),
    "the same, a sum": (lambda m, x: m.of_many((m.wide(x) + m.norm_wide(m.wide(x))).relu().flatten(1)), 1, 0),
    "the same, and the activation is the result": (
        lambda m, x: (lambda y: (m.of_many(y.flatten(1)), y)[1])(m.wide(x).relu()),
        1,
        0,
    ),
    "flat is the result": (lambda m, x: m.conv(x).relu().flatten(1), 0, 0),
    "the mean": (lambda m, x: m.of_channels(mean(m.norm(m.conv(x)).relu()).view(2, -1)), 1, 1),
    "the mean of a sum": (lambda m, x: m.of_channels(mean((m.norm(m.conv(x)) + m.conv(x)).relu()).flatten(1)), 1, 1),
    "the mean is the result": (lambda m, x: mean(m.norm(m.conv(x)).relu()), 0, 1),
    "the mean and more": (lambda m, x: (lambda y: mean(y) + y.sum())(m.norm(m.conv(x)).relu()), 0, 1),
    "the mean of the input": (lambda m, x: mean(x), 0, 0),
    "a mean with a divisor": (lambda m, x: mean(m.conv(x).relu(), divisor_override=7), 0, 0),
    "a mean of parts": (lambda m, x: nn.functional.avg_pool2d(m.conv(x).relu(), (5, 3)), 0, 0),
    "the result is read, too": (lambda m, x: (lambda y: (mean(y), y)[1])(m.norm(m.conv(x)).relu()), 0, 1),
}


@pytest.mark.parametrize("name", CASES)
def test_as_eager(name: str) -> None:
    function, linear, means = CASES[name]
    eager, compiled = twins(lambda: Body(function))
    for mode in (True, False):
        eager.train(mode), compiled.train(mode)
        same_step(eager, compiled, images(2, 3, 5, 6, requires_grad=True))
        plan = compiled._last
        assert plan is not None
        assert sum(isinstance(step, LinearStep) and step.image is not None for step in plan.steps) == linear
        assert sum(isinstance(step, MeanStep) for step in plan.steps) == means
        for seed in range(2):
            same_output(eager, compiled, images(2, 3, 5, 6, seed=seed))


@pytest.mark.parametrize("frozen", ["conv", "of_pixels"])
def test_frozen_layers(frozen: str) -> None:
    eager, compiled = twins(lambda: Body(CASES["an activation, flat"][0]))
    for model in (eager, compiled.model):
        getattr(model, frozen).requires_grad_(False)
    same_step(eager, compiled, images(2, 3, 5, 6))


@pytest.mark.parametrize(
    ("name", "fused"),
    [
        ("an activation, flat and of many channels", True),
        ("the same, pooled", True),
        ("the same, and the activation is the result", False),
        ("an activation of two readers", False),
        ("a convolution, flat", False),
    ],
)
def test_which_linear_layers_compute_what_they_read(name: str, fused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way once, while the program is recorded."""
    calls: list[str] = []
    for function in ("linear", "linear_input_grad"):
        original = getattr(fused_conv, function)

        def spy(*arguments: Any, function: str = function, original: Any = original) -> Any:
            calls.append(function)
            return original(*arguments)

        monkeypatch.setattr(fused_conv, function, spy)
    _, compiled = twins(lambda: Body(CASES[name][0]))
    compiled(images(2, 3, 5, 6, requires_grad=True)).sum().backward()
    assert calls == (["linear", "linear_input_grad"] if fused else [])

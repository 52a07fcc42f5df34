"""A model that is edited after compiling gives the results of the edited model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from scratchconv import nn
from tests.compiler.pairs import SMALL, close, images, same_output, same_step, small, twins


class Settings(nn.Module):
    """Keeps what decides its result where no table of a module lists it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.factors, self.loose = [1.0, 2.0], sc.ones(3, 1, 1, dtype=sc.float64)

    def forward(self, x: sc.Tensor) -> sc.Tensor:
        return self.conv(x).relu() * self.factors[0] + self.loose * self.factors[1]


def test_attributes_that_change() -> None:
    eager, compiled = twins(Settings)
    same_step(eager, compiled, images(*SMALL))
    for change in (
        lambda m: m.factors.__setitem__(0, 5.0),
        lambda m: setattr(m, "loose", m.loose * 7),
        lambda m: m.loose.mul_(3),
        lambda m: setattr(m.loose, "data", m.loose.data + 1),
        lambda m: m.loose.requires_grad_(),
        lambda m: setattr(m.conv, "stride", (2, 2)),
    ):
        change(eager), change(compiled.model)
        same_step(eager, compiled, images(*SMALL))
        close(*[None if m.loose.grad is None else m.loose.grad.numpy() for m in (eager, compiled)])


def replace_weight(model: Any) -> None:
    model[1].weight = nn.Parameter(model[1].weight.detach() * 2)


def freeze(model: Any) -> None:
    model[0].requires_grad_(False)


def swap(model: Any) -> None:
    sc.manual_seed(3)
    model[1] = nn.Conv2d(5, 4, 3, bias=False, dtype=np.float64)


def load(model: Any) -> None:
    model.load_state_dict({name: tensor.numpy() * 0.9 for name, tensor in model.state_dict().items()})


def new_buffers(model: Any) -> None:
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.data = layer.running_mean.data + 1  # type: ignore[union-attr]
            layer.running_var = layer.running_var * 2  # type: ignore[operator]


def forget(model: Any) -> None:
    model[2].momentum = None
    model[2].reset_running_stats()


@pytest.mark.parametrize("change", [replace_weight, freeze, swap, load, new_buffers, forget])
def test_models_edited_after_compiling(change: Any) -> None:
    eager, compiled = twins(small)
    same_step(eager, compiled, images(*SMALL))
    change(eager), change(compiled.model)
    same_step(eager, compiled, images(*SMALL))
    eager.eval(), compiled.eval()
    same_output(eager, compiled, images(*SMALL))
    same_step(eager, compiled, images(*SMALL))

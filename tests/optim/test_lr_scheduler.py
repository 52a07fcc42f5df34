from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scratchconv import optim
from tests.optim.twins import parameters


def pair_of_optimizers() -> list[Any]:
    return [
        lib.SGD([{"params": p[:2]}, {"params": p[2:], "lr": 0.7}], lr=0.1)
        for lib, p in zip((optim, torch.optim), parameters(), strict=True)
    ]


@given(step_size=st.integers(1, 5), gamma=st.sampled_from([0.1, 1 / 3, 2.0]), epochs=st.integers(0, 12))
def test_rates_equal_torchs(step_size: int, gamma: float, epochs: int) -> None:
    ours, theirs = (
        lib.lr_scheduler.StepLR(optimizer, step_size=step_size, gamma=gamma)
        for lib, optimizer in zip((optim, torch.optim), pair_of_optimizers(), strict=True)
    )
    for _ in range(epochs):
        theirs.optimizer.step()  # PyTorch warns otherwise
        ours.step()
        theirs.step()
        assert ours.get_last_lr() == theirs.get_last_lr()
        assert [g["lr"] for g in ours.optimizer.param_groups] == ours.get_last_lr()
    assert ours.last_epoch == theirs.last_epoch


def test_the_articles_schedule() -> None:
    optimizer = optim.Adam(parameters()[0], lr=0.001)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=20, gamma=1 / 3)
    rates = []
    for _ in range(60):
        rates += scheduler.get_last_lr()
        scheduler.step()
    assert rates[:20] == [0.001] * 20
    assert rates[20:40] == pytest.approx([0.001 / 3] * 20)
    assert rates[40:] == pytest.approx([0.001 / 9] * 20)


def test_resuming_equals_going_on() -> None:
    first, second = (optim.Adam(parameters()[0], lr=1.0) for _ in range(2))
    going = optim.lr_scheduler.StepLR(first, 3, 0.5)
    for _ in range(4):
        going.step()
    second.load_state_dict(first.state_dict())
    resumed = optim.lr_scheduler.StepLR(second, 1, 0.9)
    resumed.load_state_dict(going.state_dict())
    for _ in range(5):
        going.step()
        resumed.step()
        assert going.get_last_lr() == resumed.get_last_lr()
    assert resumed.base_lrs == [1.0]


def test_loads_torchs_state() -> None:
    ours, theirs = (
        lib.lr_scheduler.StepLR(o, 3, 0.5) for lib, o in zip((optim, torch.optim), pair_of_optimizers(), strict=True)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.step()
    ours.load_state_dict(theirs.state_dict())
    assert ours.last_epoch == 1
    assert ours.base_lrs == theirs.base_lrs


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="Optimizer"):
        optim.lr_scheduler.StepLR(3, 1)
    with pytest.raises(ValueError, match="step_size"):
        optim.lr_scheduler.StepLR(pair_of_optimizers()[0], 0)

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scratchconv import optim
from scratchconv.autograd import Tensor
from scratchconv.nn import Parameter
from tests.optim.twins import parameters, ten_steps

settings = st.fixed_dictionaries(
    {
        "lr": st.floats(1e-4, 1.0),
        "momentum": st.sampled_from([0.0, 0.5, 0.9]),
        "dampening": st.sampled_from([0.0, 0.3]),
        "weight_decay": st.sampled_from([0.0, 0.1]),
        "nesterov": st.booleans(),
    }
).filter(lambda s: not s["nesterov"] or (s["momentum"] > 0 and s["dampening"] == 0))


@given(settings=settings)
def test_ten_steps_equal_torchs(settings: dict) -> None:
    params = parameters()
    ten_steps(optim.SGD(params[0], **settings), torch.optim.SGD(params[1], **settings), params)


def test_two_hand_computed_steps() -> None:
    p = Parameter(np.array([1.0]))
    optimizer = optim.SGD([p], lr=0.5, momentum=0.5, weight_decay=1.0)
    p.grad = Tensor(np.array([1.0]))
    optimizer.step()  # g = 1 + 1, m = 2
    assert p.tolist() == [0.0]
    optimizer.step()  # g = 1 + 0, m = 0.5·2 + 1 = 2
    assert p.tolist() == [-1.0]
    assert optimizer.state[p]["momentum_buffer"].tolist() == [2.0]


def test_without_momentum_there_is_no_state() -> None:
    p = Parameter(np.ones(2))
    p.grad = Tensor(np.ones(2))
    optimizer = optim.SGD([p], lr=0.1)
    optimizer.step()
    assert optimizer.state == {}


@pytest.mark.parametrize("lib", ["ours", "torch"])
@pytest.mark.parametrize(
    "settings",
    [
        {"lr": -1.0},
        {"momentum": -0.1},
        {"weight_decay": -0.1},
        {"nesterov": True},
        {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
    ],
)
def test_refuses_what_torch_refuses(lib: str, settings: dict) -> None:
    ours, theirs = parameters()
    make, params = (optim.SGD, ours) if lib == "ours" else (torch.optim.SGD, theirs)
    with pytest.raises(ValueError):
        make(params, **settings)

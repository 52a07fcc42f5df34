from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scratchconv import optim
from scratchconv.autograd import Tensor
from scratchconv.nn import Parameter
from tests.optim.twins import assert_equal_parameters, parameters, set_gradients, ten_steps

MAKERS = {
    "SGD": lambda lib, params: lib.SGD(params, lr=0.1, momentum=0.9),
    "Adam": lambda lib, params: lib.Adam(params, lr=0.1, weight_decay=0.01),
}
each = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@each
def test_groups_with_settings_of_their_own_equal_torch(make: Any) -> None:
    params = parameters()
    ours, theirs = (
        make(lib, [{"params": p[:2], "lr": 0.5}, {"params": p[2], "weight_decay": 0.3}])
        for lib, p in zip((optim, torch.optim), params, strict=True)
    )
    ours.add_param_group({"params": params[0][3:], "lr": 0.01})
    theirs.add_param_group({"params": params[1][3:], "lr": 0.01})
    assert [g["lr"] for g in ours.param_groups] == [g["lr"] for g in theirs.param_groups] == [0.5, 0.1, 0.01]
    ten_steps(ours, theirs, params)


@each
def test_the_learning_rate_can_be_changed_between_steps(make: Any) -> None:
    params = parameters()
    ours, theirs = make(optim, params[0]), make(torch.optim, params[1])
    rng = np.random.default_rng(0)
    for lr in (0.3, 0.0, 0.01):
        ours.param_groups[0]["lr"] = theirs.param_groups[0]["lr"] = lr
        set_gradients(*params, rng)
        ours.step()
        theirs.step()
        assert_equal_parameters(*params)


@each
def test_parameters_without_gradient_are_left_alone(make: Any) -> None:
    (p, *rest), _ = parameters()
    optimizer = make(optim, [p, *rest])
    before = [q.data.copy() for q in rest]
    p.grad = Tensor(np.ones(p.shape))
    optimizer.step()
    assert list(optimizer.state) == [p]
    assert all(np.array_equal(q.data, array) for q, array in zip(rest, before, strict=True))
    optimizer.zero_grad()
    assert p.grad is None
    optimizer.step()
    assert len(optimizer.state) == 1


@each
def test_memory_stays_and_the_gradient_is_not_changed(make: Any) -> None:
    ours, _ = parameters()
    for p in ours:
        p.grad = Tensor(np.ones(p.shape))
    memory = [p.data for p in ours]
    make(optim, ours).step()
    assert all(p.data is array for p, array in zip(ours, memory, strict=True))
    assert all((p.grad.data == 1).all() for p in ours if p.grad is not None)


@each
def test_backward_after_a_step_notices_the_change(make: Any) -> None:
    p = Parameter(np.ones(3))
    loss = (p * p).sum()
    p.grad = Tensor(np.ones(3))
    make(optim, [p]).step()
    with pytest.raises(RuntimeError, match="in place"):
        loss.backward()


@each
@given(steps=st.integers(0, 3))
def test_state_round_trip_continues_identically(make: Any, steps: int) -> None:
    params, twins = parameters()[0], parameters()[0]
    optimizer, rng = make(optim, params), np.random.default_rng(0)
    gradients = [[np.asarray(rng.standard_normal(p.shape)) for p in params] for _ in range(steps + 2)]

    def step(which: Any, tensors: list, i: int) -> None:
        for p, g in zip(tensors, gradients[i], strict=True):
            p.grad = Tensor(g)
        which.step()

    for i in range(steps):
        step(optimizer, params, i)
    for twin, p in zip(twins, params, strict=True):
        twin.data[...] = p.data
    restored = make(optim, twins)
    restored.param_groups[0]["lr"] = 99.0
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for i in (steps, steps + 1):
        step(optimizer, params, i)
        step(restored, twins, i)
    assert all(np.array_equal(p.data, twin.data) for p, twin in zip(params, twins, strict=True))


@each
def test_state_has_torchs_structure(make: Any) -> None:
    params = parameters()
    ours, theirs = (
        make(lib, [{"params": p[:3]}, {"params": p[3:]}]) for lib, p in zip((optim, torch.optim), params, strict=True)
    )
    ten_steps(ours, theirs, params)
    state, expected = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(expected)
    assert state["state"].keys() == expected["state"].keys()
    for number, entry in state["state"].items():
        assert list(entry) == list(expected["state"][number])
    for group, theirs_of_group in zip(state["param_groups"], expected["param_groups"], strict=True):
        assert {name: theirs_of_group[name] for name in group} == group


@each
def test_continues_from_torchs_state(make: Any) -> None:
    params = parameters()
    theirs = make(torch.optim, params[1])
    rng = np.random.default_rng(0)
    for _ in range(3):
        set_gradients(*params, rng)
        theirs.step()
    for p, their_p in zip(*params, strict=True):
        p.data[...] = their_p.detach().numpy()
    ours = make(optim, params[0])
    ours.load_state_dict(theirs.state_dict())
    ten_steps(ours, theirs, params)


@each
def test_loaded_tensors_are_copies_in_the_parameters_memory_order(make: Any) -> None:
    params = parameters()[0]
    optimizer = make(optim, params)
    for p in params:
        p.grad = Tensor(np.ones(p.shape))
    optimizer.step()
    state = optimizer.state_dict()
    other = make(optim, params)
    other.load_state_dict(state)
    for p in params:
        for name, value in other.state[p].items():
            if name != "step":
                assert not np.shares_memory(value.data, optimizer.state[p][name].data)
                assert value.data.strides == p.data.strides


@each
def test_unfitting_state_is_refused(make: Any) -> None:
    params = parameters()[0]
    optimizer = make(optim, params)
    fewer = make(optim, params[:2]).state_dict()
    with pytest.raises(ValueError, match=r"\[4\].*\[2\]"):
        optimizer.load_state_dict(fewer)
    name = "momentum_buffer" if isinstance(optimizer, optim.SGD) else "exp_avg"
    state = optimizer.state_dict() | {"state": {0: {name: np.zeros((4, 4))}}}
    with pytest.raises(ValueError, match=rf"{name}.*\(4, 4\).*\(3, 4\)"):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize("lib", ["ours", "torch"])
def test_refuses_what_torch_refuses(lib: str) -> None:
    if lib == "ours":
        sgd, p = optim.SGD, Parameter(np.ones(2))
    else:
        sgd, p = torch.optim.SGD, torch.nn.Parameter(torch.ones(2))
    with pytest.raises(TypeError):
        sgd(p)
    with pytest.raises(ValueError):
        sgd([])
    with pytest.raises(TypeError):
        sgd([3])
    with pytest.raises(ValueError):
        sgd([p * 2])
    optimizer = sgd([p], lr=0.1)
    with pytest.raises(ValueError):
        optimizer.add_param_group({"params": [p]})


def test_an_update_rule_must_be_written() -> None:
    p = Parameter(np.ones(2))
    p.grad = Tensor(np.ones(2))
    with pytest.raises(NotImplementedError, match="Optimizer"):
        optim.Optimizer([p], {}).step()


def test_repr_lists_the_groups() -> None:
    assert repr(optim.Adam(parameters()[0], lr=0.5)) == (
        "Adam (\nParameter Group 0\n    betas: (0.9, 0.999)\n    eps: 1e-08\n    lr: 0.5\n    weight_decay: 0.0\n)"
    )

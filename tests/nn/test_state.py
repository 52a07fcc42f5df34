from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from scratchconv import nn
from scratchconv.autograd import Tensor

both = pytest.mark.parametrize("lib", [nn, torch.nn], ids=["ours", "torch"])


def model(lib: Any) -> Any:
    return lib.Sequential(lib.Conv2d(2, 4, 3), lib.BatchNorm2d(4), lib.Flatten(), lib.Linear(16, 3))


def test_state_shares_memory_and_carries_no_history() -> None:
    net = model(nn)
    state = net.state_dict()
    assert all(np.shares_memory(state[name].data, p.data) for name, p in net.named_parameters())
    assert not any(value.requires_grad for value in state.values())


def test_round_trip_through_torch_changes_nothing() -> None:
    ours, theirs = model(nn), model(torch.nn)
    before = {name: value.data.copy() for name, value in ours.state_dict().items()}
    theirs.load_state_dict({name: torch.tensor(value) for name, value in before.items()})
    fresh = model(nn)
    memory = [p.data for p in fresh.parameters()]
    keys = fresh.load_state_dict(theirs.state_dict())
    assert keys == ([], [])
    assert all(p.data is array for p, array in zip(fresh.parameters(), memory, strict=True))
    for name, value in fresh.state_dict().items():
        assert np.array_equal(value.data, before[name]), name


def test_every_problem_is_listed_and_nothing_is_changed() -> None:
    net = model(nn)
    before = {name: value.data.copy() for name, value in net.state_dict().items()}
    state = {name: value.data + 1 for name, value in net.state_dict().items()}
    del state["0.bias"], state["1.running_mean"]
    state |= {"9.weight": np.zeros(1), "3.weight": np.zeros((3, 4), np.float32)}
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    text = str(error.value)
    assert "Sequential" in text
    assert "missing keys: 0.bias, 1.running_mean" in text
    assert "unexpected keys: 9.weight" in text
    assert "3.weight: the model has (3, 16), the state has (3, 4)" in text
    assert all(np.array_equal(value.data, before[name]) for name, value in net.state_dict().items())


@both
def test_strict_and_lenient(lib: Any) -> None:
    net, source = model(lib), model(lib)
    state = dict(source.state_dict())
    state["extra"] = state.pop("3.bias")
    with pytest.raises(RuntimeError, match=r"3\.bias"):
        net.load_state_dict(state)
    keys = net.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["3.bias"]
    assert keys.unexpected_keys == ["extra"]
    assert net.state_dict()["0.weight"].tolist() == source.state_dict()["0.weight"].tolist()


@both
def test_shapes_must_fit_even_when_lenient(lib: Any) -> None:
    narrow = lib.Linear(2, 2).state_dict()
    with pytest.raises(RuntimeError, match="weight"):
        lib.Linear(3, 2).load_state_dict(narrow, strict=False)


@both
def test_wants_a_mapping(lib: Any) -> None:
    with pytest.raises(TypeError):
        lib.Linear(1, 1).load_state_dict([1, 2])


def test_values_are_converted_to_the_models_dtype() -> None:
    net = nn.Linear(2, 1)
    net.load_state_dict({"weight": np.array([[1, 2]]), "bias": Tensor(np.array([0.5]))})
    assert net.weight.dtype == np.float32
    assert net.weight.tolist() == [[1, 2]]
    assert net.bias.tolist() == [0.5]


def test_shared_layers_appear_under_each_name() -> None:
    ours, theirs = ((lambda layer: lib.Sequential(layer, layer))(lib.Linear(2, 2)) for lib in (nn, torch.nn))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    assert ours[0].weight.tolist() == theirs[0].weight.tolist()

"""Assignment is registration: what PyTorch does, case by case, in both libraries."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from scratchconv import nn
from scratchconv.autograd import Tensor

OURS = SimpleNamespace(nn=nn, parameter=lambda: nn.Parameter(np.ones(2)), tensor=lambda: Tensor(np.ones(2)))
THEIRS = SimpleNamespace(nn=torch.nn, parameter=lambda: torch.nn.Parameter(torch.ones(2)), tensor=lambda: torch.ones(2))
both = pytest.mark.parametrize("lib", [OURS, THEIRS], ids=["ours", "torch"])


@both
def test_assignment_registers(lib: Any) -> None:
    m = lib.nn.Module()
    m.w, m.child, m.plain = lib.parameter(), lib.nn.ReLU(), 3
    m.register_buffer("b", lib.tensor())
    assert dict(m.named_parameters()) == {"w": m.w}
    assert dict(m.named_buffers()) == {"b": m.b}
    assert dict(m.named_children()) == {"child": m.child}
    assert list(m.state_dict()) == ["w", "b"]
    assert {"w", "b", "child", "plain"} <= set(dir(m))
    assert m.plain == 3


@both
def test_plain_tensors_are_not_registered(lib: Any) -> None:
    m = lib.nn.Module()
    m.t = lib.tensor()
    assert not list(m.state_dict())
    assert not list(m.buffers())


@both
def test_reassignment_moves_between_the_tables(lib: Any) -> None:
    m = lib.nn.Module()
    m.x = 1
    m.x = lib.parameter()
    assert [name for name, _ in m.named_parameters()] == ["x"]
    m.y = 1
    m.y = lib.nn.ReLU()
    assert [name for name, _ in m.named_children()] == ["y"]
    m.y = lib.parameter()
    assert not list(m.children())
    assert [name for name, _ in m.named_parameters()] == ["x", "y"]


@both
def test_replacing_keeps_the_place(lib: Any) -> None:
    m = lib.nn.Module()
    m.a, m.b = lib.parameter(), lib.parameter()
    m.a = lib.parameter()
    assert [name for name, _ in m.named_parameters()] == ["a", "b"]


@both
def test_none_keeps_the_name(lib: Any) -> None:
    m = lib.nn.Module()
    m.register_parameter("bias", None)
    m.register_buffer("statistic", None)
    m.w = lib.parameter()
    m.w = None
    assert m.bias is None
    assert m.statistic is None
    assert m.w is None
    assert not list(m.state_dict())
    m.bias = lib.parameter()
    assert list(m.state_dict()) == ["bias"]


@both
def test_registered_names_take_their_own_kind_only(lib: Any) -> None:
    m = lib.nn.Module()
    m.w, m.child = lib.parameter(), lib.nn.ReLU()
    m.register_buffer("b", lib.tensor())
    for name in ("w", "child", "b"):
        with pytest.raises(TypeError, match=name):
            setattr(m, name, 3)
    for value in (lib.tensor(), lib.nn.ReLU()):
        with pytest.raises(TypeError):
            m.w = value
    m.b = lib.tensor()
    assert list(m.state_dict()) == ["w", "b"]


@both
def test_deletion(lib: Any) -> None:
    m = lib.nn.Module()
    m.w, m.child, m.plain = lib.parameter(), lib.nn.ReLU(), 3
    m.register_buffer("b", lib.tensor(), persistent=False)
    for name in ("w", "child", "plain", "b"):
        delattr(m, name)
        assert not hasattr(m, name)
        with pytest.raises(AttributeError, match=name):
            getattr(m, name)
    m.register_buffer("b", lib.tensor())
    assert list(m.state_dict()) == ["b"]


@both
def test_transient_buffers_stay_out_of_the_state(lib: Any) -> None:
    m = lib.nn.Module()
    m.register_buffer("cache", lib.tensor(), persistent=False)
    m.register_buffer("kept", lib.tensor())
    assert [name for name, _ in m.named_buffers()] == ["cache", "kept"]
    assert list(m.state_dict()) == ["kept"]


@both
@pytest.mark.parametrize("name", ["", "a.b", "forward", "training"])
def test_impossible_names(lib: Any, name: str) -> None:
    m = lib.nn.Module()
    with pytest.raises(KeyError):
        m.register_parameter(name, lib.parameter())
    with pytest.raises(KeyError):
        m.register_buffer(name, lib.tensor())
    with pytest.raises(KeyError):
        m.add_module(name, lib.nn.ReLU())


@both
def test_wrong_kinds(lib: Any) -> None:
    m = lib.nn.Module()
    with pytest.raises(TypeError):
        m.register_parameter("w", lib.tensor())
    with pytest.raises(TypeError):
        m.register_buffer("b", 3)
    with pytest.raises(TypeError):
        m.add_module("child", len)
    with pytest.raises(TypeError):
        m.add_module(3, lib.nn.ReLU())


@both
def test_forgotten_super_init_is_explained(lib: Any) -> None:
    class Forgetful(lib.nn.Module):  # type: ignore[name-defined]
        def __init__(self, value: Any) -> None:
            self.attribute = value

    for value in (lib.parameter(), lib.nn.ReLU()):
        with pytest.raises(AttributeError, match="__init__"):
            Forgetful(value)

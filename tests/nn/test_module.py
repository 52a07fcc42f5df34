from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from scratchconv import nn
from scratchconv.autograd import Tensor
from tests.nn.twins import text_of

both = pytest.mark.parametrize("lib", [nn, torch.nn], ids=["ours", "torch"])


def tree(lib: Any) -> Any:
    """A model with a nested child, a shared layer and one without a bias."""
    shared = lib.Linear(3, 3)

    class Model(lib.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.first = lib.Sequential(lib.Conv2d(1, 2, 3), lib.BatchNorm2d(2), lib.ReLU(inplace=True))
            self.left = shared
            self.inner = lib.Sequential(lib.Linear(3, 4, bias=False), lib.Sequential(lib.Flatten(), shared))
            self.right = shared

    return Model()


def names(pairs: Any) -> list[str]:
    return [name for name, _ in pairs]


def test_traversal_equals_torch() -> None:
    ours, theirs = tree(nn), tree(torch.nn)
    for method in ("named_parameters", "named_buffers", "named_modules", "named_children"):
        assert names(getattr(ours, method)()) == names(getattr(theirs, method)()), method
    for method in ("named_parameters", "named_buffers", "named_modules"):
        for settings in ({"prefix": "net"}, {"remove_duplicate": False}, {"prefix": "net", "remove_duplicate": False}):
            assert names(getattr(ours, method)(**settings)) == names(getattr(theirs, method)(**settings)), method
    for method in ("named_parameters", "named_buffers"):
        assert names(getattr(ours.left, method)(recurse=False)) == names(getattr(theirs.left, method)(recurse=False))
        assert names(getattr(ours, method)(recurse=False)) == []
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_shared_parameters_come_once() -> None:
    model = tree(nn)
    assert len(list(model.parameters())) == len({id(p) for p in model.parameters()}) == 7
    assert len(list(model.modules())) == len({id(m) for m in model.modules()})
    assert len(list(model.children())) == 3
    assert len(list(model.buffers())) == 3


def test_text_equals_torchs() -> None:
    assert repr(tree(nn)) == text_of(tree(torch.nn))
    assert repr(nn.Module()) == repr(torch.nn.Module())


def test_tree_with_none_children_equals_torchs() -> None:
    texts = []
    for lib in (nn, torch.nn):
        module = lib.Module()
        module.add_module("none", None)
        module.add_module("some", lib.Identity())
        texts.append((repr(module), names(module.named_children()), names(module.named_modules())))
    assert texts[0] == texts[1]


@both
def test_modes(lib: Any) -> None:
    model = tree(lib)
    assert all(module.training for module in model.modules())
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    assert model.inner.train() is model.inner
    assert model.left.training  # shared with inner
    assert not model.training
    with pytest.raises(ValueError):
        model.train("yes")


@both
def test_apply_visits_children_first(lib: Any) -> None:
    seen: list[str] = []
    model = lib.Sequential(lib.Sequential(lib.Flatten()), lib.ReLU())
    assert model.apply(lambda module: seen.append(type(module).__name__)) is model
    assert seen == ["Flatten", "Sequential", "ReLU", "Sequential"]


@both
def test_requires_grad_and_zero_grad(lib: Any) -> None:
    model = lib.Linear(2, 2)
    for p in model.parameters():
        (p * p).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    assert model.requires_grad_(False) is model
    assert not any(p.requires_grad for p in model.parameters())


@both
def test_forward_must_be_written(lib: Any) -> None:
    with pytest.raises(NotImplementedError):
        lib.Module()(1)


def test_arguments_reach_forward() -> None:
    class Model(nn.Module):
        def forward(self, x: int, y: int = 1, *, scale: int = 1) -> int:
            return (x + y) * scale

    assert Model()(1, 2, scale=10) == 30


def test_dtype_conversion_keeps_objects_and_memory_order() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    weight, strides = model[0].weight, np.array(model[0].weight.data.strides)
    model(Tensor(np.ones((2, 2, 4, 4), np.float32))).sum().backward()
    assert model.double() is model
    assert model[0].weight is weight
    assert np.array_equal(weight.data.strides, strides * 2)
    assert {t.dtype.name for t in [*model.parameters(), *model[1].buffers()]} == {"float64", "int64"}
    assert weight.grad is not None
    assert weight.grad.dtype == np.float64
    assert model.float()[0].weight.dtype == np.float32
    assert model.to(np.float64)[1].running_var.dtype == np.float64
    with pytest.raises(TypeError, match="int64"):
        model.to(np.int64)


def test_deepcopy_is_independent() -> None:
    model = tree(nn)
    twin = copy.deepcopy(model)
    assert repr(twin) == repr(model)
    assert len(list(twin.parameters())) == 7  # the shared layer is still shared
    for (name, ours), (_, copied) in zip(model.named_parameters(), twin.named_parameters(), strict=True):
        assert np.array_equal(ours.data, copied.data), name
        assert not np.shares_memory(ours.data, copied.data), name
    twin.left.weight.data[...] = 0
    assert model.left.weight.data.any()

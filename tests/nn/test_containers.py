from __future__ import annotations

from collections import OrderedDict
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from scratchconv import nn
from tests.nn.twins import assert_layer_equals

BOTH = [nn, torch.nn]


def layers(lib: Any) -> list[Any]:
    return [lib.Linear(4, 3), lib.ReLU(), lib.Linear(3, 2)]


def test_sequential_equals_torch() -> None:
    x = np.random.default_rng(0).standard_normal((5, 4))
    assert_layer_equals(nn.Sequential(*layers(nn)), torch.nn.Sequential(*layers(torch.nn)), x)


def test_sequential_of_named_layers_equals_torch() -> None:
    ours, theirs = (lib.Sequential(OrderedDict(zip(["in", "act", "out"], layers(lib), strict=True))) for lib in BOTH)
    assert_layer_equals(ours, theirs, np.random.default_rng(0).standard_normal((5, 4)))


@pytest.mark.parametrize(
    "change",
    [
        lambda s, lib: s[1:],
        lambda s, lib: s[::2],
        lambda s, lib: s[-1],
        lambda s, lib: s.append(lib.ReLU()),
        lambda s, lib: s.extend([lib.ReLU(), lib.Identity()]),
        lambda s, lib: s.insert(1, lib.Identity()) or s,
        lambda s, lib: s.__setitem__(-1, lib.Identity()) or s,
        lambda s, lib: s.__delitem__(0) or s,
    ],
)
@pytest.mark.parametrize("container", ["Sequential", "ModuleList"])
def test_list_methods_equal_torchs(container: str, change: Any) -> None:
    def changed(lib: ModuleType) -> Any:
        modules = layers(lib)
        return change(lib.Sequential(*modules) if container == "Sequential" else lib.ModuleList(modules), lib)

    ours, theirs = changed(nn), changed(torch.nn)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize("lib", BOTH)
def test_reading(lib: Any) -> None:
    modules = layers(lib)
    for container in (lib.Sequential(*modules), lib.ModuleList(modules)):
        assert len(container) == 3
        assert list(container) == modules
        assert container[-2] is modules[1]
        assert type(container[:2]) is type(container)
        for bad in (3, -4):
            with pytest.raises(IndexError):
                container[bad]
        with pytest.raises(TypeError):
            container["0"]


@pytest.mark.parametrize("lib", BOTH)
def test_a_list_cannot_be_called(lib: Any) -> None:
    with pytest.raises(NotImplementedError):
        lib.ModuleList(layers(lib))(1)


@pytest.mark.parametrize("lib", BOTH)
def test_only_modules_go_in(lib: Any) -> None:
    for make in (lambda: lib.Sequential(len), lambda: lib.ModuleList([1])):
        with pytest.raises(TypeError):
            make()


def test_repeated_entries_of_a_list_are_shown_once_as_in_torch() -> None:
    ours, theirs = (lib.ModuleList([*(lib.Linear(2, 2) for _ in range(3)), lib.ReLU()]) for lib in BOTH)
    assert repr(ours) == repr(theirs)

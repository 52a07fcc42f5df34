"""What is seen at a glance must be all that a signature sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from scratchconv import nn
from scratchconv.compiler._watch import Watch
from tests.compiler.test_signature import CHANGES, Odd

MORE: list[Callable[[Odd], Any]] = [
    lambda m: setattr(m, "tensor", sc.zeros(1)),
    lambda m: setattr(m, "options", {"scale": [1, 2.0]}),  # equal, but later changes of the old one do not count
    lambda m: m.__dict__.update(_buffers=dict(m._buffers)),
    lambda m: m.register_forward_hook(lambda *args: None),
    lambda m: m.add_module("more", nn.ReLU()),
    lambda m: delattr(m, "layer"),
    lambda m: setattr(m.layer, "eps", 1e-3),
    lambda m: setattr(m, "pair", (sc.ones(1),)),
    lambda m: setattr(m.weight, "data", m.weight.data.copy()),
]


def odd() -> Odd:
    module = Odd()
    module.tensor = sc.zeros(1)  # one element: a comparison with another has a truth value
    module.pair = (sc.ones(1),)
    return module


@pytest.mark.parametrize("change", [*CHANGES, *MORE])
def test_a_change_is_seen(change: Callable[[Odd], Any]) -> None:
    module = odd()
    watch = Watch(list(module.modules()), [])
    assert watch.same()
    change(module)
    assert not watch.same()


def test_numbers_are_no_change() -> None:
    module = odd()
    watch = Watch(list(module.modules()), [])
    module.weight.data += 1
    module.seen.data += 1
    module.table += 1
    module.options["scale"][0] = 1
    assert watch.same()


def test_tensors_from_outside() -> None:
    outside = sc.ones(3)
    watch = Watch([], [outside])
    assert watch.same()
    outside.requires_grad_()
    assert not watch.same()
    watch = Watch([], [outside])
    outside.data = np.ones(3, np.float32)
    assert not watch.same()

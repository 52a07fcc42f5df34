"""What makes a plan stale, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from scratchconv import nn
from scratchconv.compiler._signature import held, signature


class Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.BatchNorm2d(3)
        self.weight = nn.Parameter(sc.ones(3))
        self.register_buffer("seen", sc.zeros(3))
        self.options: dict[str, Any] = {"scale": [1, 2.0]}
        self.table = np.zeros(3)
        self.tensor = sc.zeros(3)
        self.pair: Any = ()


CHANGES: list[Callable[[Odd], Any]] = [
    lambda m: setattr(m, "layer", nn.BatchNorm2d(3)),
    lambda m: setattr(m, "weight", nn.Parameter(sc.ones(3))),
    lambda m: setattr(m.weight, "requires_grad", False),
    lambda m: setattr(m.weight, "data", np.ones(4, np.float32)),
    lambda m: setattr(m.weight, "data", np.ones(3)),
    lambda m: setattr(m, "seen", sc.zeros(3)),
    lambda m: setattr(m.seen, "data", np.zeros(3, np.float32)),
    lambda m: m.options["scale"].append(3),
    lambda m: m.options.update(scale=[1, 2]),
    lambda m: setattr(m, "table", np.zeros(3)),
    lambda m: setattr(m, "tensor", sc.zeros(3)),
    lambda m: m.tensor.requires_grad_(),
    lambda m: m.eval(),
    lambda m: setattr(m, "another", True),
    lambda m: setattr(m, "forward", lambda x: x),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change: Callable[[Odd], Any]) -> None:
    module = Odd()
    before, kept = signature(module), held([module])
    assert hash(before) == hash(signature(module)) and before == signature(module)
    change(module)
    assert before != signature(module)
    assert kept


def test_numbers_are_no_change() -> None:
    module = Odd()
    before = signature(module)
    module.weight.data += 1
    module.weight.data = module.weight.data + 1
    module.seen.data += 1
    module.table += 1
    module.register_forward_hook(lambda *args: None)  # hooks are looked at for themselves
    assert before == signature(module)


def test_what_is_named_by_id_is_held() -> None:
    module = Odd()
    kept = held([module])
    for thing in (module, module.weight, module.seen, module.seen.data, module.layer, module.table, module.tensor):
        assert any(thing is each for each in kept)

"""Values and nodes."""

from __future__ import annotations

import numpy as np

from scratchconv.compiler._graph import Node, Value
from scratchconv.ops.elementwise import ADD


def value(index: int, needs_grad: bool) -> Value:
    return Value(index, (2,), np.dtype(np.float32), needs_grad)


def test_a_node_knows_which_inputs_want_a_gradient() -> None:
    a, b = value(0, True), value(1, False)
    assert Node(ADD, [a, b], {}, value(2, True)).needs == (True, False)
    assert Node(ADD, [a, np.zeros(2), None], {}, value(2, True)).needs == (True, False, False)
    assert Node(ADD, [a, b], {}, value(2, False)).needs == (False, False)


def test_values_are_told_apart_by_identity() -> None:
    assert value(0, True) != value(0, True)
    assert len({value(0, True), value(0, True)}) == 2

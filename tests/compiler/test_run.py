"""The state of one call and the sums of its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

import scratchconv as sc
from scratchconv.compiler._graph import Node, Value
from scratchconv.compiler._run import Gradients, Run
from scratchconv.ops.elementwise import ADD


def value(consumers: int) -> Value:
    made = Value(0, (2,), np.dtype(np.float64), True)
    made.consumers = [Node(ADD, [made, made], {}, made)] * consumers
    return made


def run() -> Run:
    return Run({}, [], True)


def test_buffers_are_made_once_and_go_home() -> None:
    home: list[Any] = []
    first = Run({}, home, True)
    array = first.buffer("a", (3, 2), np.float32)
    assert first.buffer("a", (3, 2), np.float32) is array and array.shape == (3, 2)
    assert not home
    del first
    (buffers,) = home
    assert buffers["a"] is array


def test_a_view_of_a_buffer_is_copied_in_its_order() -> None:
    state = run()
    buffer = state.buffer("a", (2, 3), np.float64)
    buffer[...] = 1
    (own,) = state.own([buffer.T])
    assert not np.may_share_memory(own, buffer) and own.strides == buffer.T.strides and (own == 1).all()
    other = np.ones(3)
    assert state.own([other, None])[0] is other


def test_leaves_are_read_anew() -> None:
    tensor = sc.ones(2)
    leaf = Value(0, (2,), np.dtype(np.float32), True, leaf=tensor)
    tensor.data = tensor.data * 5
    assert run().array(leaf) is tensor.data


def test_sums_change_no_array_that_arrived() -> None:
    gradients, x = Gradients(run()), value(4)
    one, two = np.array([1.0, 2.0]), np.array([10.0, 20.0])
    assert gradients.of(x) is None and gradients.waiting(x) == 4
    gradients.add(x, one)
    assert gradients.of(x) is one
    gradients.add(x, two)
    gradients.add(x, two)
    gradients.add(x, None)
    assert gradients.waiting(x) == 0
    assert gradients.of(x).tolist() == [21, 42]  # type: ignore[union-attr]
    assert one.tolist() == [1, 2] and two.tolist() == [10, 20]


def test_pixels_lie_channels_last() -> None:
    gradients, x = Gradients(run()), value(1)
    assert gradients.pixels_of(x) is None
    gradients.add(x, np.zeros((2, 3, 4, 5)))
    pixels = gradients.pixels_of(x)
    assert pixels is not None and pixels.shape == (2, 4, 5, 3) and pixels.flags.c_contiguous

"""The state of one call and the sums of its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

import scratchconv as sc
from scratchconv.compiler._graph import Node, Value
from scratchconv.compiler._run import Gradients, Run
from scratchconv.kernels import _tape
from scratchconv.kernels._tape import Tape
from scratchconv.ops.elementwise import ADD


def value(consumers: int) -> Value:
    made = Value(0, (2,), np.dtype(np.float64), True)
    made.consumers = [Node(ADD, [made, made], {}, made)] * consumers
    return made


def sum_of(gradients: Gradients, x: Value) -> Any:
    found = gradients.of(x)
    assert found is not None
    return found.tolist()


def run() -> Run:
    return Run(recording=True, frozen=False, far=0)


def test_buffers_are_made_once() -> None:
    state = run()
    array = state.buffer("a", (3, 2), np.float32)
    assert state.buffer("a", (3, 2), np.float32) is array and array.shape == (3, 2)


def test_leaves_are_read_anew_or_the_program_is_bound_to_them() -> None:
    tensor, state = sc.ones(2), run()
    leaf = Value(0, (2,), np.dtype(np.float32), True, leaf=tensor)
    tensor.data = tensor.data * 5
    assert state.array(leaf) is tensor.data and not state.used
    assert state.still(leaf) is tensor.data and state.used == [tensor]


def test_what_passes_is_caught_in_memory_that_stays() -> None:
    state, x = run(), Value(0, (2, 3, 4, 5), np.dtype(np.float64), True)
    random = np.random.default_rng(0)
    first, second = random.standard_normal((2, *x.shape))
    with _tape.recording(Tape()) as tape:
        state.passing[x] = first
        pixels = state.pixels(x)
        assert state.pixels(x) is pixels and np.array_equal(pixels, first.transpose(0, 2, 3, 1))
    state.passing[x] = second
    tape.replay()
    assert np.array_equal(pixels, second.transpose(0, 2, 3, 1)) and np.array_equal(state.array(x), second)
    state.forget()
    assert not state.passing


def test_sums_are_taken_anew_in_each_call() -> None:
    gradients, x = Gradients(run()), value(3)
    one, two = np.ones(2), np.full(2, 10.0)
    with _tape.recording(Tape()) as tape:
        for each in (one, two, two):
            gradients.add(x, each)
    assert sum_of(gradients, x) == [21, 21]
    one[:], two[:] = 2, 20
    tape.replay()
    assert sum_of(gradients, x) == [42, 42]


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
    assert sum_of(gradients, x) == [21, 42]
    assert one.tolist() == [1, 2] and two.tolist() == [10, 20]


def test_pixels_lie_channels_last() -> None:
    gradients, x = Gradients(run()), value(1)
    assert gradients.pixels_of(x) is None
    gradients.add(x, np.zeros((2, 3, 4, 5)))
    pixels = gradients.pixels_of(x)
    assert pixels is not None and pixels.shape == (2, 4, 5, 3) and pixels.flags.c_contiguous

"""A plan's steps and its buffers."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np

import scratchconv as sc
from scratchconv import nn
from scratchconv.compiler._plan import Plan
from scratchconv.compiler._steps import ConvStep
from scratchconv.compiler._trace import trace
from tests.compiler.pairs import images


def model() -> nn.Module:
    layers = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten()
    return nn.Sequential(*layers).double()


def plan_of(module: nn.Module) -> tuple[Plan, list[Any]]:
    x = images(2, 2, 8, 8)
    plan = Plan(trace(module, [x]), module)
    return plan, [x.numpy(), *[leaf.data for leaf in plan.leaves]]


def test_a_step_for_each_convolution_and_each_ordinary_operation() -> None:
    plan, _ = plan_of(model())
    assert [isinstance(step, ConvStep) for step in plan.steps] == [True, True, False]
    first, second = (step for step in plan.steps if isinstance(step, ConvStep))
    assert second.source is first.chain and first.chain is not None
    assert not first.chain.stored and second.chain is not None and second.chain.stored


def test_calls_one_after_the_other_share_a_program_and_calls_in_flight_do_not() -> None:
    plan, arrays = plan_of(model())
    y, saved = plan.forward(*arrays, recording=True)
    first = saved[0].program
    other, saved_too = plan.forward(*arrays, recording=True)
    assert saved_too[0].program is not first
    assert np.array_equal(y, other)
    del saved, saved_too
    gc.collect()
    idle = list(plan._idle[True])
    assert len(idle) == 2 and first in idle
    again, saved = plan.forward(*arrays, recording=True)
    assert saved[0].program in idle and len(plan._idle[True]) == 1
    assert np.array_equal(y, again)


def test_results_show_no_buffer() -> None:
    plan, arrays = plan_of(model())
    y, saved = plan.forward(*arrays, recording=True)
    needs = tuple(value.needs_grad for value in plan.inputs)
    gradients = plan.backward(saved, np.ones(y.shape), needs)
    buffers = list(saved[0].program._run.buffers.values())
    assert buffers
    for array in (y, *[g for g in gradients if g is not None]):
        assert not any(np.may_share_memory(array, buffer) for buffer in buffers)
    assert [g is not None for g in gradients] == list(needs)


def test_an_expanded_buffer_is_a_buffer() -> None:
    class Expanded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 3, 8, dtype=np.float64)

        def forward(self, x: sc.Tensor) -> sc.Tensor:
            return self.conv(x).relu().expand(2, 3, 4, 5)[:, ::2]

    plan, arrays = plan_of(Expanded())
    y, saved = plan.forward(*arrays, recording=True)
    assert not any(np.may_share_memory(y, buffer) for buffer in saved[0].program._run.buffers.values())


def test_nothing_is_kept_where_nothing_is_recorded() -> None:
    plan, arrays = plan_of(model())
    _, saved = plan.forward(*arrays, recording=False)
    assert saved == () and [len(programs) for programs in plan._idle] == [1, 0]


def test_someone_may_watch() -> None:
    plan, arrays = plan_of(model())
    heard: list[tuple[str, bool]] = []
    plan.watch = lambda step, way, seconds: heard.append((way, seconds >= 0))
    for _ in range(2):  # the first call is taken down
        y, saved = plan.forward(*arrays, recording=True)
        plan.backward(saved, np.ones(y.shape), tuple(value.needs_grad for value in plan.inputs))
        del saved
    assert heard == [("forward", True)] * 3 + [("backward", True)] * 3


def test_it_fits_while_outside_tensors_want_gradients_as_they_did() -> None:
    outside = sc.ones(1)
    plan = Plan(trace(lambda x: x * outside, [sc.zeros(3)]), nn.Module())
    assert plan.fits()
    outside.requires_grad_()
    assert not plan.fits()

"""Programs: what is made ready once must not outlive what it was made from."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from scratchconv import nn
from scratchconv.compiler._plan import Plan
from scratchconv.compiler._program import Program
from scratchconv.compiler._trace import trace
from tests.compiler.pairs import SMALL, images, same_output, same_step, small, twins

Model = Any
CHANGES: dict[str, Callable[[Model], Any]] = {
    "weights through NumPy": lambda m: m[1].weight.data.__setitem__((0, 0, 0, 0), 3.0),
    "weights in place": lambda m: m[1].weight.mul_(0.5),
    "other weights": lambda m: setattr(m[1].weight, "data", m[1].weight.data * 2),
    "another parameter": lambda m: setattr(m[1], "weight", nn.Parameter(m[1].weight.detach() * 3)),
    "a bias": lambda m: m[0][0].bias.data.fill(0.25),
    "gamma": lambda m: m[2].weight.data.__imul__(-1.5),
    "beta": lambda m: m[2].bias.add_(1),
    "running mean": lambda m: m[0][1].running_mean.data.__iadd__(0.5),
    "running variance": lambda m: setattr(m[2].running_var, "data", m[2].running_var.data * 4),
    "the last layer": lambda m: m[5].weight.data.__imul__(2),
    "a checkpoint": lambda m: m.load_state_dict({k: t.numpy() * 0.9 for k, t in m.state_dict().items()}),
    "eps": lambda m: setattr(m[2], "eps", 0.5),
}


def step(model: Model) -> None:
    optimizer = sc.optim.SGD(model.parameters(), lr=0.1)
    (model(images(*SMALL)) ** 2).sum().backward()
    optimizer.step(), optimizer.zero_grad()


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_model_gives_its_own_results(name: str) -> None:
    eager, compiled = twins(small)
    same_step(eager, compiled, images(*SMALL))
    eager.eval(), compiled.eval()
    for seed in range(3):
        same_output(eager, compiled, images(*SMALL, seed=seed))
    with sc.no_grad():
        CHANGES[name](eager), CHANGES[name](compiled.model)
    for seed in range(2):
        same_output(eager, compiled, images(*SMALL, seed=seed))


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_model_is_trained(name: str) -> None:
    eager, compiled = twins(small)
    for training in (True, False):
        eager.train(training), compiled.train(training)
        same_step(eager, compiled, images(*SMALL, requires_grad=True))
        with sc.no_grad():
            CHANGES[name](eager), CHANGES[name](compiled.model)
        same_step(eager, compiled, images(*SMALL, seed=1, requires_grad=True))


def test_batches_are_counted_for_a_cumulative_mean() -> None:
    eager, compiled = twins(small)
    models: tuple[Model, ...] = eager, compiled.model
    for model in models:
        model[0][1].momentum = None
        model[2].momentum = 0.3
    for seed in range(3):
        same_step(eager, compiled, images(*SMALL, seed=seed))


def test_a_way_back_that_fails_can_be_taken_again() -> None:
    eager, compiled = twins(small)
    same_step(eager, compiled, images(*SMALL))
    eager(images(*SMALL))  # counts its batch
    y = compiled(images(*SMALL))
    assert compiled._last is not None and compiled._last._idle[True] == []
    with pytest.raises(RuntimeError):
        y.backward(sc.zeros(1, dtype=sc.float64))
    del y
    same_step(eager, compiled, images(*SMALL, seed=1))


def test_between_the_steps_of_a_training() -> None:
    eager, compiled = twins(small)
    for seed in range(3):
        for model in (eager, compiled):
            model.train()
            step(model)
            model.eval()
        same_output(eager, compiled, images(*SMALL, seed=seed))
        same_output(eager, compiled, images(2, *SMALL[1:], seed=seed))


def program_of(module: nn.Module, x: sc.Tensor) -> Program:
    with sc.no_grad():
        plan = Plan(trace(module, [x]), module)
    return Program(plan, recording=False)


def test_it_is_made_once_and_again_after_a_change() -> None:
    _, compiled = twins(small)
    compiled.eval()
    model: Model = compiled.model
    made = []
    for seed in range(4):
        with sc.no_grad():
            compiled(images(*SMALL, seed=seed))
        plan = compiled._last
        assert plan is not None
        made.append(plan._idle[False][0])
        if seed == 1:
            model[1].bias.data[0] += 1
    assert made[0] is made[1] and made[1] is not made[2] and made[2] is made[3]


def test_results_are_owned_and_inputs_forgotten() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU()).double().eval()
    program = program_of(model, images(*SMALL))
    first, second = (program.forward([images(*SMALL, seed=seed).numpy()]) for seed in range(2))
    assert not np.may_share_memory(first, second) and not np.array_equal(first, second)
    assert not program._run.passing
    assert not any(np.may_share_memory(first, buffer) for buffer in program._run.buffers.values())


def test_inputs_in_any_memory_order() -> None:
    eager, compiled = twins(lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 3)))
    eager.eval(), compiled.eval()
    x = images(*SMALL).numpy()
    for array in (x, np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2), x[..., ::-1], x.copy("F")):
        same_output(eager, compiled, sc.Tensor(array))
    frozen = x.copy()
    frozen.flags.writeable = False
    same_output(eager, compiled, sc.Tensor(frozen))


def test_calls_in_flight_together_do_not_meet() -> None:
    eager, compiled = twins(small)
    eager.eval(), compiled.eval()
    inputs = [images(*SMALL, seed=seed) for seed in range(8)]
    found: dict[int, list[np.ndarray]] = {}

    def work(i: int) -> None:
        with sc.no_grad():
            found[i] = [compiled(inputs[i]).numpy() for _ in range(20)]

    with sc.no_grad():
        wanted = [eager(x).numpy() for x in inputs]
    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, results in found.items():
        # Sums in another order, as in ``pairs.EXACT``.
        assert all(np.allclose(y, wanted[i], rtol=1e-9, atol=1e-9) for y in results)
    assert len(found) == 8


def test_a_failing_call_leaves_no_program() -> None:
    _, compiled = twins(small)
    compiled.eval()
    with sc.no_grad():
        compiled(images(*SMALL))
        plan = compiled._last
        assert plan is not None
        way = plan._idle[False][0]._forward
        assert way is not None
        way._all.calls.insert(0, (lambda: 1 / 0, ()))
        with pytest.raises(ZeroDivisionError):
            compiled(images(*SMALL))
        assert plan._idle[False] == []
        compiled(images(*SMALL))


def test_a_copy_has_programs_of_its_own() -> None:
    _, compiled = twins(small)
    compiled.eval()
    with sc.no_grad():
        before = compiled(images(*SMALL)).numpy()
        other = copy.deepcopy(compiled)
        model: Model = other.model
        model[1].weight.data *= 2
        assert np.array_equal(before, compiled(images(*SMALL)).numpy())
        assert not np.allclose(before, other(images(*SMALL)).numpy())


def test_statistics_of_a_batch_are_taken_anew() -> None:
    eager, compiled = twins(small)
    for seed in range(2):
        same_output(eager, compiled, images(*SMALL, seed=seed))  # training mode
    assert compiled._last is not None and not compiled._last.frozen

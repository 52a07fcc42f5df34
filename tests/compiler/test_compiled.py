"""A compiled model does what the model does: the same numbers, the same state, and after any change, the new ones."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import scratchconv as sc
from scratchconv import nn
from tests.compiler.networks import Case, cases
from tests.compiler.pairs import (
    SMALL,
    all_close,
    backward,
    buffers,
    close,
    gradients,
    images,
    parameters,
    same_output,
    same_step,
    small,
    step,
    twins,
)


def cnn() -> nn.Module:
    return sc.models.CNN()


@pytest.mark.parametrize(
    ("make", "shape"), [(cnn, (5, 1, 28, 28)), (sc.models.ResNet, (3, 3, 32, 32))], ids=["cnn", "resnet"]
)
def test_both_models_take_the_same_ten_steps(make: Any, shape: tuple[int, ...]) -> None:
    eager, compiled = twins(make)
    optimizers = [sc.optim.SGD(m.parameters(), lr=0.01, momentum=0.9) for m in (eager, compiled)]
    for i in range(10):
        outputs = []
        for model, optimizer in zip((eager, compiled), optimizers, strict=True):
            loss = nn.functional.cross_entropy(model(images(*shape, seed=i)), sc.tensor([1] * shape[0]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            outputs.append(loss.item())
        assert outputs[0] == pytest.approx(outputs[1], rel=1e-8)
    # Every step multiplies a difference by a number that depends on the curvature; ten of them leave eight digits.
    all_close(parameters(eager), parameters(compiled), 1e-8)
    all_close(buffers(eager), buffers(compiled), 1e-8)
    with sc.no_grad():
        x = images(*shape)
        close(eager.eval()(x).numpy(), compiled.eval()(x).numpy(), 1e-7)


@pytest.mark.parametrize(
    ("make", "shape"), [(cnn, (5, 1, 28, 28)), (sc.models.ResNet, (3, 3, 32, 32))], ids=["cnn", "resnet"]
)
def test_both_models_in_float32(make: Any, shape: tuple[int, ...]) -> None:
    eager, compiled = twins(make, np.float32)
    # Fifteen layers of float32 roundings (6e-8 each, amplified by BatchNorm of few pixels), and now and then an
    # activation within rounding of zero, whose gradient then goes the other way.
    same_step(eager, compiled, images(*shape, dtype=np.float32), 1e-2)
    same_output(eager.eval(), compiled.eval(), images(*shape, dtype=np.float32), 1e-3)  # type: ignore[arg-type]


@given(cases())
def test_networks_of_the_grammar(case: Case) -> None:
    network = case.network
    eager, compiled = twins(lambda: copy.deepcopy(network))
    same_step(eager, compiled, images(*case.shape))
    same_step(eager, compiled, images(*case.shape, seed=1, requires_grad=True))
    eager.eval(), compiled.eval()
    same_output(eager, compiled, images(*case.shape, seed=2))
    same_step(eager, compiled, images(*case.shape, seed=3, requires_grad=True))


class Formula(nn.Module):
    """Nothing here is a pattern."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(sc.ones(4))

    def forward(self, x: sc.Tensor) -> sc.Tensor:
        y = (x * self.scale).exp()
        z = y[:, 1:] - y.sum(1, keepdim=True) / 2
        z *= 3
        return sc.cat([z, x.abs()], 1).permute(1, 0).max(0).values + y.mean()


def test_a_model_that_matches_nothing() -> None:
    eager, compiled = twins(Formula)
    same_step(eager, compiled, images(5, 4, requires_grad=True))
    same_output(eager, compiled, images(7, 4))


def test_the_identity_and_a_constant() -> None:
    x = images(2, 3)
    assert np.array_equal(sc.compile(nn.Sequential())(x).numpy(), x.numpy())


def test_smaller_batches_and_back() -> None:
    eager, compiled = twins(small)
    for i, count in enumerate((4, 1, 4, 3)):
        same_step(eager, compiled, images(count, *SMALL[1:], seed=i))
    assert len(compiled._plans) == 3


def test_an_empty_batch_runs_as_in_eager_mode() -> None:
    eager, compiled = twins(small)
    same_step(eager, compiled, images(0, *SMALL[1:]))


def test_two_calls_in_flight() -> None:
    eager, compiled = twins(small)
    for model in (eager, compiled):
        first, second = model(images(*SMALL)), model(images(*SMALL, seed=1))
        backward(first * 2 + second)
    all_close(gradients(eager), gradients(compiled))
    all_close(buffers(eager), buffers(compiled))


def test_gradients_add_up_and_graphs_can_be_retained() -> None:
    eager, compiled = twins(small)
    for model in (eager, compiled):
        y = model(images(*SMALL))
        y.backward(images(*y.shape), retain_graph=True)
        y.backward(images(*y.shape, seed=1))
        with pytest.raises(RuntimeError, match="second time"):
            y.backward(images(*y.shape))
        backward(model(images(*SMALL, seed=2)))
    all_close(gradients(eager), gradients(compiled))


def test_outputs_and_gradients_belong_to_the_caller() -> None:
    compiled = sc.compile(nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU()).double())
    x = images(*SMALL, requires_grad=True)
    y = compiled(x)
    backward(y)
    kept, before = [y.detach().numpy(), x.grad.numpy()], [y.detach().numpy().copy(), x.grad.numpy().copy()]  # type: ignore
    step(compiled, images(*SMALL, seed=9, requires_grad=True))
    assert all(np.array_equal(a, b) for a, b in zip(kept, before, strict=True))


def test_a_changed_parameter_before_backward_is_noticed() -> None:
    compiled = sc.compile(small().double())
    y = compiled(images(*SMALL))
    with sc.no_grad():
        for parameter in compiled.parameters():
            parameter.mul_(2)
    with pytest.raises(RuntimeError, match="changed in place"):
        backward(y)


def test_hooks_of_tensors_hear_gradients() -> None:
    eager, compiled = twins(small)
    for model in (eager, compiled):
        next(iter(model.parameters())).register_hook(lambda g: g * 3)
    same_step(eager, compiled, images(*SMALL))


def test_hooks_of_modules_run_in_eager_mode() -> None:
    eager, compiled = twins(small)
    same_step(eager, compiled, images(*SMALL))
    handles = [m[0].register_forward_hook(lambda m, args, y: y * y.sum().item()) for m in (eager, compiled.model)]
    same_step(eager, compiled, images(*SMALL))
    for handle in handles:
        handle.remove()
    same_step(eager, compiled, images(*SMALL))


def test_between_train_and_eval_and_dtypes() -> None:
    eager, compiled = twins(small)
    for mode in (True, False, True):
        eager.train(mode), compiled.train(mode)
        assert compiled.training is mode
        same_step(eager, compiled, images(*SMALL))
        same_output(eager, compiled, images(*SMALL))
    eager[2].eval(), compiled.model[2].eval()  # type: ignore[index]
    same_step(eager, compiled, images(*SMALL))
    eager.to(np.float32), compiled.to(np.float32)
    # One stage in float32: roundings of 6e-8, divided by standard deviations of some tenths.
    same_step(eager, compiled, images(*SMALL, dtype=np.float32), 1e-4)


def test_nothing_is_recorded_where_nothing_is_asked() -> None:
    compiled = sc.compile(small().double())
    with sc.no_grad():
        assert not compiled(images(*SMALL)).requires_grad
    assert compiled(images(*SMALL)).requires_grad
    compiled.requires_grad_(False)
    assert not compiled(images(*SMALL)).requires_grad
    assert compiled(images(*SMALL, requires_grad=True)).requires_grad


def test_it_has_the_model_parameters_and_state() -> None:
    model = small()
    compiled = sc.compile(model)
    assert list(compiled.parameters()) == list(model.parameters())
    assert list(compiled.state_dict()) == list(model.state_dict())
    assert compiled.train() is compiled and compiled.eval() is compiled and not model.training
    with pytest.raises(AttributeError):
        compiled.no_such_thing  # noqa: B018


def test_a_compiled_model_inside_a_compiled_model() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = small()
            self.__dict__["inner"] = sc.compile(self.part)

        def forward(self, x: sc.Tensor) -> sc.Tensor:
            return self.inner(x) * 2  # type: ignore[no-any-return]

    eager, compiled = twins(Outer)
    same_step(eager, compiled, images(*SMALL))


def test_what_cannot_be_compiled_or_called() -> None:
    with pytest.raises(TypeError, match="takes a Module, got int"):
        sc.compile(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes tensors, got ndarray"):
        sc.compile(small())(np.zeros(SMALL))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="call the compiled model first"):
        sc.compile(small()).explain()


def test_a_buffer_changed_behind_the_operations_is_refused() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", sc.zeros(1))

        def forward(self, x: sc.Tensor) -> sc.Tensor:
            self.calls.data += 1
            return x * 2

    compiled = sc.compile(Counting())
    with pytest.raises(RuntimeError, match=r"changes its buffer 'calls'.*eager mode"):
        compiled(images(2))
    assert compiled.calls.item() == 0


def test_a_failed_trace_leaves_no_mark() -> None:
    model = small().double()
    compiled, before = sc.compile(model), buffers(model)
    with pytest.raises(RuntimeError):
        compiled(images(2, 2, 12, 11))  # the linear layer does not fit
    all_close(before, buffers(model), 0)


def test_old_plans_are_dropped() -> None:
    compiled = sc.compile(nn.Linear(2, 3))
    for count in range(1, 40):
        compiled(sc.ones(count, 2))
    assert len(compiled._plans) == 16

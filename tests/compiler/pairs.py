"""A model beside its compiled twin, and how their results are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import scratchconv as sc
from scratchconv import nn
from scratchconv.compiler import CompiledModel

# float64 sums in another order: a few hundred roundings of 1e-16, carried through some layers and divided by standard
# deviations that may be small. An error in a formula would show in the first digits.
EXACT = 1e-9

State = dict[str, Any]


SMALL = (3, 2, 12, 12)


def small() -> nn.Module:
    """One stage of every kind, quick to run."""
    stage = nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(stage, nn.Conv2d(5, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 3))


def twins(make: Callable[[], sc.nn.Module], dtype: Any = np.float64) -> tuple[sc.nn.Module, CompiledModel]:
    """Two models with the same numbers, the second one compiled."""
    sc.manual_seed(0)
    eager = make().to(dtype)
    sc.manual_seed(1)
    other = make().to(dtype)
    other.load_state_dict(eager.state_dict())
    return eager, sc.compile(other)


def images(*shape: int, dtype: Any = np.float64, seed: int = 0, requires_grad: bool = False) -> sc.Tensor:
    x = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    return sc.Tensor(x, requires_grad=requires_grad)


def backward(y: sc.Tensor, seed: int = 5) -> None:
    """Send the same random gradient into ``y`` whoever computed it."""
    y.backward(sc.Tensor(np.random.default_rng(seed).standard_normal(y.shape).astype(y.dtype)))


def buffers(model: Any) -> State:
    return {name: buffer.numpy().copy() for name, buffer in model.named_buffers()}


def gradients(model: Any) -> State:
    return {name: None if p.grad is None else p.grad.numpy().copy() for name, p in model.named_parameters()}


def parameters(model: Any) -> State:
    return {name: p.detach().numpy().copy() for name, p in model.named_parameters()}


def close(a: Any, b: Any, bound: float = EXACT) -> None:
    """Compare two arrays by their largest difference, relative to the largest number (at least one)."""
    assert (a is None) == (b is None)
    if a is None:
        return
    assert a.shape == b.shape and a.dtype == b.dtype
    if a.size:
        assert np.abs(a - b).max() <= bound * max(1.0, np.abs(a).max())


def all_close(a: State, b: State, bound: float = EXACT) -> None:
    assert a.keys() == b.keys()
    for name in a:
        try:
            close(a[name], b[name], bound)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


def step(model: Any, x: sc.Tensor) -> Any:
    """Forward and backward; return the output."""
    y = model(x)
    model.zero_grad()
    backward(y)
    return y.detach().numpy()


def same_step(eager: sc.nn.Module, compiled: CompiledModel, x: sc.Tensor, bound: float = EXACT) -> None:
    """Run a step of both and compare outputs, gradients (of x, too, if it wants one) and buffers.

    And once more with other numbers in the same arrays, for the compiled model's first call is taken down and the
    second one repeats it.
    """
    for factor in (1.0, -0.75):
        mine, other = (sc.Tensor(x.detach().numpy() * factor, requires_grad=x.requires_grad) for _ in range(2))
        close(step(eager, mine), step(compiled, other), bound)
        all_close(gradients(eager), gradients(compiled), bound)
        all_close(buffers(eager), buffers(compiled), bound)
        close(*(None if each.grad is None else each.grad.numpy() for each in (mine, other)), bound)
        for model in (eager, compiled):
            for p in model.parameters():
                p.data *= p.data.dtype.type(0.875)  # nobody but the arrays can tell


def same_output(eager: sc.nn.Module, compiled: CompiledModel, x: sc.Tensor, bound: float = EXACT) -> None:
    """Compare outputs without gradients, and buffers."""
    with sc.no_grad():
        for each in (x, x * 0.5):
            close(eager(each).numpy(), compiled(each).numpy(), bound)
    all_close(buffers(eager), buffers(compiled), bound)

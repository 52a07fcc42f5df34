"""Every differentiable method and function of tensors against central differences in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from scratchconv.autograd import gradcheck
from tests.autograd.compare import draw


def in_place(change: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def function(a: Any, b: Any) -> Any:
        y = a * a
        change(y, b)
        return y

    return function


MASK = np.arange(12).reshape(3, 4) % 3 == 0
ONE: dict[str, Callable[[Any], Any]] = {
    "neg": lambda a: -a,
    "abs": lambda a: a.abs(),
    "relu": lambda a: a.relu(),
    "exp": lambda a: a.exp(),
    "log": lambda a: (a * a + 1).log(),
    "sqrt": lambda a: (a * a + 1).sqrt(),
    "power": lambda a: a**3,
    "scalar": lambda a: 2 / (a * a + 1) - 3 * a + 1,
    "sum": lambda a: a.sum(0),
    "mean": lambda a: a.mean((0, 1)),
    "var": lambda a: a.var(1),
    "std": lambda a: a.std(),
    "max": lambda a: a.max(),
    "max along an axis": lambda a: a.max(1, keepdim=True).values,
    "view": lambda a: a.view(2, -1),
    "permute": lambda a: a.permute(1, 0),
    "expand": lambda a: a.unsqueeze(0).expand(5, 3, 4),
    "flatten": lambda a: a.t().flatten(),
    "slice": lambda a: a[1:, ::2],
    "gather": lambda a: a[[0, 0, 2], [1, 1, 3]],
    "mask": lambda a: a[sc.from_numpy(MASK)],
    "clone": lambda a: a.clone().contiguous(),
    "relu in place": lambda a: (a * 1).relu_(),
    "through a view": lambda a: in_place(lambda y, b: y[1].mul_(b[0]))(a, a),
}
TWO: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (b * b + 1),
    "pow": lambda a, b: (a * a + 1) ** b,
    "matmul": lambda a, b: a @ b.t(),
    "maximum": lambda a, b: sc.maximum(a, b),
    "where": lambda a, b: sc.where(sc.from_numpy(MASK), a, b),
    "cat": lambda a, b: sc.cat([a, b], 1),
    "stack": lambda a, b: sc.stack([a, b]),
    "broadcast": lambda a, b: a * b[0] + a[:, :1] / (b * b + 1),
    "add in place": in_place(lambda y, b: y.add_(b)),
    "sub in place": in_place(lambda y, b: y.sub_(b[0])),
    "mul in place": in_place(lambda y, b: y.mul_(b)),
    "div in place": in_place(lambda y, b: y.div_(b * b + 1)),
    "write": in_place(lambda y, b: y.__setitem__((slice(None), 1), b[:, 0])),
    "write at places": in_place(lambda y, b: y.__setitem__([2, 0], b[:2])),
}


@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_tensor(name: str) -> None:
    assert gradcheck(ONE[name], sc.tensor(draw(3, 4, dtype=np.float64), requires_grad=True))


@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_tensors(name: str) -> None:
    a, b = (sc.tensor(draw(3, 4, dtype=np.float64, seed=seed), requires_grad=True) for seed in (0, 1))
    assert gradcheck(TWO[name], (a, b))

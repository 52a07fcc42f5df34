"""What tracing writes down, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from scratchconv import nn
from scratchconv.autograd import modes
from scratchconv.compiler import TraceError
from scratchconv.compiler._trace import trace
from scratchconv.ops.elementwise import ADD, MUL
from tests.compiler.pairs import close, images


def traced(function: Callable[..., Any], *arguments: sc.Tensor) -> Any:
    return trace(function, arguments)


def test_operations_in_their_order_with_their_tensors() -> None:
    weight, constant = sc.ones(3, requires_grad=True), sc.ones(3)
    graph = traced(lambda x: x * weight + constant + weight, sc.zeros(2, 3))
    assert [node.op for node in graph.nodes] == [MUL, ADD, ADD]
    assert [value.leaf for value in graph.leaves] == [weight, constant]
    first, _, last = graph.nodes
    assert graph.leaves[0].consumers == [first, last]
    assert graph.output is last.output and graph.output.needs_grad and graph.output.shape == (2, 3)
    assert not graph.inputs[0].needs_grad
    assert first.output.producer is first


def test_nothing_is_computed_and_the_mode_ends() -> None:
    x = sc.zeros(2)
    traced(lambda x: x.exp(), x)
    assert modes.tracer() is None
    with pytest.raises(ZeroDivisionError):
        traced(lambda x: 1 / 0, x)
    assert modes.tracer() is None and x.numpy().tolist() == [0, 0]


def test_no_grad_and_detach_cut_the_graph() -> None:
    def cut(x: sc.Tensor) -> sc.Tensor:
        with sc.no_grad():
            y = x * 2
        return y + (x * 3).detach()

    x = sc.ones(2, requires_grad=True)
    assert not traced(cut, x).output.needs_grad
    assert traced(lambda x: cut(x) + x, x).output.needs_grad
    assert not traced(lambda x: x.detach(), x).output.needs_grad


def test_in_place_changes_become_new_values() -> None:
    def change(x: sc.Tensor) -> sc.Tensor:
        y = x * 2
        y += x
        return y

    graph = traced(change, sc.zeros(2))
    assert [node.in_place for node in graph.nodes] == [False, True]
    assert graph.nodes[1].inputs[0] is graph.nodes[0].output and graph.output is graph.nodes[1].output


REFUSED: dict[str, Callable[[sc.Tensor], Any]] = {
    "truth": lambda x: x if x.sum() > 0 else -x,
    "bool": lambda x: x if x.sum() else -x,
    "item": lambda x: x * x.sum().item(),
    "float": lambda x: x * float(x.sum()),
    "int": lambda x: x * int(x.sum()),
    "tolist": lambda x: x * x.tolist()[0],
    "numpy": lambda x: x * float(np.asarray(x.detach().numpy())[0]),
    "array": lambda x: x * float(np.asarray(x.detach())[0]),
    "argmax": lambda x: x[int(x.argmax())],
    "mask": lambda x: x[x > 0],
    "any": lambda x: x if x.any() else -x,
    "index": lambda x: sc.ones(3)[x.long()],
    "target": lambda x: nn.functional.cross_entropy(x.view(1, 3), x[:1].long()),
    "repr": lambda x: x * len(f"{x.sum():.3f}"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_decision_by_numbers_is_refused_and_eager_mode_named(name: str) -> None:
    with pytest.raises(TraceError, match=r"eager mode"):
        traced(REFUSED[name], images(3))


def test_random_numbers_are_refused_and_put_back() -> None:
    sc.manual_seed(0)
    wanted = sc.rand(1).item()
    sc.manual_seed(0)
    with pytest.raises(TraceError, match=r"random numbers.*eager mode"):
        traced(lambda x: x * sc.rand(3), images(3))
    assert sc.rand(1).item() == wanted


def test_a_change_of_what_is_outside_is_refused() -> None:
    outside = sc.zeros(3, dtype=sc.float64)

    def change(x: sc.Tensor) -> sc.Tensor:
        outside.add_(x)
        return x

    with pytest.raises(TraceError, match=r"in-place change.*eager mode"):
        traced(change, images(3))


def test_a_change_through_a_view_is_refused() -> None:
    def change(x: sc.Tensor) -> sc.Tensor:
        y = x * 2
        y[0] = 1.0
        y.view(3, 1).mul_(2)
        return y

    with pytest.raises(TraceError, match="memory that a view shows"):
        traced(change, images(3))


@pytest.mark.parametrize("result", [3, None, (1, 2)])
def test_one_tensor_is_returned(result: Any) -> None:
    with pytest.raises(TraceError, match=r"returns one tensor.*eager mode"):
        traced(lambda x: result, images(3))


def test_shapes_may_decide() -> None:
    class Shapes(nn.Module):
        def forward(self, x: sc.Tensor) -> sc.Tensor:
            y = x * x.numel() if len(x) > 2 else x / x.size(0)
            return sc.stack([row.sum() for row in y]) + sc.zeros_like(y).sum()

    compiled = sc.compile(Shapes())
    for size in (2, 3):
        x = images(size, 4, seed=size)
        close(compiled(x).numpy(), Shapes()(x).numpy())


def test_constants_may_be_looked_at() -> None:
    limit = sc.tensor(3.0, dtype=sc.float64)
    graph = traced(lambda x: x * limit.item() if limit > 2 else x, images(3))
    assert [node.op for node in graph.nodes] == [MUL]

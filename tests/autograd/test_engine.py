"""The backward pass: order, sums, freeing, depth, hooks, threads."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from scratchconv.autograd import apply
from scratchconv.autograd.engine import Version, count_consumers
from tests.autograd.compare import draw, same, same_error


def test_shared_results_are_visited_once_and_their_gradients_summed() -> None:
    def expression(lib: Any, x: Any) -> Any:
        a = x * 2
        b = a * a
        c = a + b
        return c * b + a + x

    same(expression, draw(3, 4))


def test_each_node_runs_once() -> None:
    class Count:
        runs = 0

        def forward(self, x: Any) -> tuple[Any, None]:
            return x * 2, None

        def backward(self, saved: None, dy: Any, needs: tuple[bool, ...]) -> tuple[Any]:
            self.runs += 1
            return (dy * 2,)

    op = Count()
    x = sc.ones(1, requires_grad=True)
    y = apply(op, x)
    for _ in range(30):  # 2**30 paths lead to y
        y = y + y
    y.backward()
    assert op.runs == 1
    assert x.grad is not None and x.grad.item() == 2.0**31


@pytest.mark.parametrize("depth", [10_000, 100_000])
def test_deep_graphs_run_and_die_without_recursion(depth: int) -> None:
    x = sc.ones(1, requires_grad=True)
    y = x
    for _ in range(depth):
        y = y.view(1)
    y.backward()
    assert x.grad is not None and x.grad.item() == 1
    del y
    gc.collect()


def test_backward_frees_the_saved_arrays() -> None:
    same_error(lambda lib, x: [y.sum().backward() for y in [x * x] for _ in range(2)], draw(3))
    with pytest.raises(RuntimeError, match="retain_graph"):
        y = sc.ones(1, requires_grad=True).exp()
        y.backward()
        y.backward()


def test_a_graph_that_saved_nothing_can_run_again_as_in_pytorch() -> None:
    def expression(lib: Any, x: Any) -> Any:
        y = (x + 1).view(3)
        y.backward(lib.ones(3))
        y.backward(lib.ones(3))
        return x.grad * 1

    same(expression, draw(3))


def test_retain_graph() -> None:
    def expression(lib: Any, x: Any) -> Any:
        y = (x * x).exp()
        y.backward(lib.ones(3), retain_graph=True)
        y.backward(lib.ones(3))
        return x.grad * 1

    same(expression, draw(3))


def test_gradients_accumulate_in_place_over_several_backward_passes() -> None:
    x = sc.ones(3, requires_grad=True)
    (x * 2).backward(np.ones(3))
    grad = x.grad
    (x * 3).backward(np.ones(3))
    assert x.grad is grad and grad is not None and grad.tolist() == [5, 5, 5]


def test_only_the_needed_gradients_are_asked_for() -> None:
    asked: list[tuple[bool, ...]] = []

    class Ask:
        def forward(self, *arrays: Any) -> tuple[Any, None]:
            return arrays[0] * 1, None

        def backward(self, saved: None, dy: Any, needs: tuple[bool, ...]) -> list[Any]:
            asked.append(needs)
            return [dy if need else None for need in needs]

    x = sc.ones(2, requires_grad=True)
    apply(Ask(), sc.ones(2), x, None, np.ones(2), x * 2).backward(np.ones(2))
    assert asked == [(False, True, False, False, True)]
    assert x.grad is not None and x.grad.tolist() == [3, 3]


def test_an_operation_may_answer_none() -> None:
    class Nothing:
        def forward(self, x: Any) -> tuple[Any, None]:
            return x * 1, None

        def backward(self, saved: None, dy: Any, needs: tuple[bool, ...]) -> tuple[None]:
            return (None,)

    x = sc.ones(2, requires_grad=True)
    y = x * 2
    (apply(Nothing(), y) + x).backward(np.ones(2))
    assert x.grad is not None and x.grad.tolist() == [1, 1]


# Memory of gradients.


def test_gradients_of_two_leaves_do_not_share_memory() -> None:
    a, b = sc.ones(3, requires_grad=True), sc.ones(3, requires_grad=True)
    dy = np.ones(3, np.float32)
    (a + b).backward(dy)
    assert a.grad is not None and b.grad is not None
    a.grad.data[:] = 7
    assert b.grad.tolist() == [1, 1, 1] and dy.tolist() == [1, 1, 1]


def test_the_gradient_passed_to_backward_stays_as_it_was() -> None:
    x = sc.ones(3, requires_grad=True)
    dy = sc.ones(3)
    x.backward(dy)
    (x.view(3)).backward(dy)
    (x + x + x).backward(dy)
    assert dy.tolist() == [1, 1, 1]
    assert x.grad is not None and x.grad.tolist() == [5, 5, 5]


def test_a_gradient_has_the_memory_order_and_dtype_of_its_leaf() -> None:
    w = sc.Tensor(draw(3, 3, 2, 4).transpose(3, 2, 0, 1), requires_grad=True)
    (w * np.ascontiguousarray(w.data)).backward(np.ones(w.shape))
    assert w.grad is not None
    assert w.grad.data.strides == w.data.strides
    assert w.grad.dtype == np.float32


def test_a_saved_array_never_becomes_a_gradient() -> None:
    class Scale:
        def forward(self, x: Any, factor: Any) -> tuple[Any, Any]:
            return x * factor, factor

        def backward(self, saved: Any, dy: Any, needs: tuple[bool, ...]) -> tuple[Any, None]:
            return saved, None

    factor = np.full(3, 2.0, np.float32)
    x = sc.ones(3, requires_grad=True)
    apply(Scale(), x, factor).backward(np.ones(3))
    assert x.grad is not None
    x.grad.zero_()
    assert factor.tolist() == [2, 2, 2]


# Hooks.


def test_hooks_see_and_replace_gradients() -> None:
    seen: list[Any] = []

    def expression(lib: Any, x: Any) -> Any:
        x.register_hook(lambda g: seen.append(g.tolist()))
        x.register_hook(lambda g: g * 10)
        y = x * 2
        y.register_hook(lambda g: g + 1)
        return y * 3

    same(expression, draw(3))
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-6)  # one float32 operation


def test_a_leaf_hook_sees_the_sum_once() -> None:
    seen: list[float] = []
    x = sc.ones(1, requires_grad=True)
    x.register_hook(lambda g: seen.append(g.item()))
    (x * 2 + x * 3).backward()
    assert seen == [5]


def test_a_removed_hook_is_silent() -> None:
    x = sc.ones(1, requires_grad=True)
    handle = x.register_hook(lambda g: g * 100)
    handle.remove()
    handle.remove()
    (x * 2).backward()
    assert x.grad is not None and x.grad.item() == 2


def test_retain_grad() -> None:
    def expression(lib: Any, x: Any) -> Any:
        y = x * 2
        y.retain_grad()
        (y * y).backward(lib.ones(3))
        return y.grad * 1

    same(expression, draw(3))

    def changed(lib: Any, x: Any) -> Any:
        y = x * 2
        y.retain_grad()
        y += 1
        (y * 3).backward(lib.ones(3))
        return y.grad * 1

    same(changed, draw(3))


@pytest.mark.parametrize(
    "expression",
    [
        lambda lib, x: x.detach().backward(),
        lambda lib, x: (x * 2).backward(),
        lambda lib, x: (x * 2).backward(lib.ones(4)),
        lambda lib, x: x.detach().register_hook(print),
        lambda lib, x: x.detach().retain_grad(),
    ],
)
def test_errors(expression: Any) -> None:
    same_error(expression, draw(3))


# Parts.


def test_version_knows_which_memory_changed() -> None:
    memory = np.zeros((4, 4))
    version = Version()
    version.bump(memory[1:2])
    assert version.count == 1
    assert version.covers(memory[3]) and not version.covers(np.zeros(4))


def test_count_consumers() -> None:
    x = sc.ones(1, requires_grad=True)
    y = x * 2
    z = y * y + x
    assert z.grad_fn is not None and y.grad_fn is not None
    counts = count_consumers(z.grad_fn)
    assert (counts[id(x)], counts[id(y.grad_fn)]) == (2, 2)


def test_names_of_nodes() -> None:
    x = sc.ones(1, requires_grad=True)
    assert repr((x + 1).grad_fn) == "<AddBackward>"
    assert repr(x.view(1).grad_fn) == "<ViewBackward>"


def test_two_threads_train_at_once() -> None:
    """Each thread has its own graph and mode; the results are those of one thread alone."""

    def train(seed: int) -> list[float]:
        w = sc.tensor(draw(8, seed=seed), requires_grad=True)
        for _ in range(200):
            loss = ((w * w) * draw(8, seed=seed + 1) + w).exp().view(2, 4)
            loss.backward(np.ones((2, 4)))
            assert w.grad is not None
            with sc.no_grad():
                w -= w.grad * 0.001
            w.grad = None
        return list(w.tolist())

    expected = [train(0), train(1)]
    found: dict[int, list[float]] = {}
    threads = [threading.Thread(target=lambda s=s: found.update({s: train(s)})) for s in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[0], found[1]] == expected

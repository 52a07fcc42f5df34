"""Recording: when a node is made, what it refers to, and how views share their base's memory and history."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from scratchconv.autograd import apply
from scratchconv.autograd._core import edge_of
from scratchconv.ops.elementwise import MUL
from tests.autograd.compare import draw


def test_nothing_is_recorded_unless_an_input_wants_a_gradient() -> None:
    x = sc.ones(2)
    assert apply(MUL, x, np.ones(2, np.float32)).grad_fn is None
    x.requires_grad_()
    assert apply(MUL, x, np.ones(2, np.float32)).grad_fn is not None
    with sc.no_grad():
        assert apply(MUL, x, x).grad_fn is None


def test_parameters_reach_the_operation_unchanged_and_arrays_stay_arrays() -> None:
    got: list[Any] = []

    class Spy:
        def forward(self, *arrays: Any, **params: Any) -> tuple[Any, None]:
            got.extend([*arrays, params])
            return arrays[0], None

        def backward(self, saved: None, dy: Any, needs: tuple[bool, ...]) -> tuple[Any, ...]:
            return (dy, None, None)

    x, array = sc.ones(2), np.ones(3)
    apply(Spy(), x, array, None, stride=2)
    assert got[0] is x.data and got[1] is array and got[2] is None and got[3] == {"stride": 2}


def test_edges() -> None:
    leaf = sc.ones(2, requires_grad=True)
    result = leaf * 2
    assert edge_of(leaf) is leaf
    assert edge_of(result) is result.grad_fn
    assert edge_of(sc.ones(2)) is None and edge_of(None) is None and edge_of(np.ones(2)) is None


def test_views_share_one_version_counter_and_copies_have_their_own() -> None:
    x = sc.ones(2, 3)
    views = [x[0], x.t(), x.view(-1), x.detach(), x.view(-1)[1:]]
    copies = [x.clone(), x[[0]], x.t().view(-1), x.double()]
    x.t()[0].add_(1)
    assert [view._version.count for view in [x, *views]] == [1] * 6
    assert [copy._version.count for copy in copies] == [0] * 4


def test_a_view_names_the_root_of_its_memory() -> None:
    x = sc.ones(2, 3)
    view = x[0].view(3)[1:]
    assert view._base is x
    view._refresh()
    assert view.grad_fn is None  # nothing was recorded on x since


def test_a_view_learns_of_a_recorded_change_of_its_base() -> None:
    base = sc.zeros(3)
    view = base[1:]
    assert not view.requires_grad and view.is_leaf
    weight = sc.tensor(draw(3), requires_grad=True)
    base += weight
    assert view.requires_grad and repr(view.grad_fn) == "<AsStridedBackward>"
    view.backward(np.ones(2))
    assert weight.grad is not None and weight.grad.tolist() == [0, 1, 1]


def test_a_view_of_replaced_memory_keeps_its_own_history() -> None:
    x = sc.ones(3, requires_grad=True)
    y = x * 2
    view = y[1:]
    y.data = np.zeros(3, np.float32)
    y += 1
    view.backward(np.ones(2))
    assert x.grad is not None and x.grad.tolist() == [0, 2, 2]


def test_graphs_die_with_their_last_tensor() -> None:
    """No reference cycles: memory is given back at once, not when the garbage collector comes by."""
    alive: list[weakref.ref[Any]] = []

    class Op:
        def forward(self, x: Any) -> tuple[Any, Any]:
            kept = x * 2
            alive.append(weakref.ref(kept))
            return x * 2, (kept,)

        def backward(self, saved: Any, dy: Any, needs: tuple[bool, ...]) -> tuple[Any]:
            return (dy,)

    x = sc.ones(2, requires_grad=True)
    gc.disable()
    try:
        y = apply(Op(), x)
        z = y.view(2)
        z += x
        z.retain_grad()
        assert alive[0]() is not None
        del y, z
        assert alive[0]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("fresh", [True, False])
def test_a_fresh_gradient_is_kept_and_another_is_copied_if_others_know_it(fresh: bool) -> None:
    sent: list[Any] = []

    class Send:
        def forward(self, x: Any) -> tuple[Any, None]:
            return x * 1, None

        def backward(self, saved: None, dy: Any, needs: tuple[bool, ...]) -> list[Any]:
            sent[:] = [dy * 2 if fresh else dy]
            return sent

    op: Any = Send()
    op.fresh = fresh
    x, dy = sc.ones(2, requires_grad=True), np.ones(2, np.float32)
    apply(op, x).backward(dy)
    assert x.grad is not None and (x.grad.data is sent[0]) == fresh
    assert not np.shares_memory(x.grad.data, dy)

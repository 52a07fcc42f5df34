"""The interface of operations and what helps to keep to it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from scratchconv.ops import _op, batch_norm, conv2d, linear
from scratchconv.ops._op import Array, saved_arrays
from tests.ops.comparing import check_fresh


class Pair(NamedTuple):
    x: Any
    rest: Any


def test_arrays_are_found_in_nested_tuples() -> None:
    a, b, c = np.zeros(1), np.ones(2), np.ones(3)
    found = _op.saved_arrays(Pair(a, (1, None, [b, Pair("text", c)])))
    assert [id(array) for array in found] == [id(a), id(b), id(c)]
    assert _op.saved_arrays(a)[0] is a
    assert _op.saved_arrays(None) == []


def test_arrays_saved_by_an_operation_are_found() -> None:
    x, w = np.zeros((1, 2, 4, 4), np.float32), np.zeros((3, 2, 1, 1), np.float32)
    _, saved = conv2d.forward(x, w)
    assert [array.shape for array in _op.saved_arrays(saved)] == [(1, 4, 4, 2), (1, 1, 2, 3)]


@pytest.mark.parametrize(
    ("dtype", "wanted"), [(np.float32, True), (np.float64, True), (np.int64, False), (bool, False)]
)
def test_only_floating_arrays_carry_gradients(dtype: type, wanted: bool) -> None:
    assert _op.is_floating(np.zeros(2, dtype)) is wanted


def test_an_operation_may_keep_less() -> None:
    everything = ("x", "w")
    assert _op.needed(SimpleNamespace(), everything, (True, False)) is everything
    keeper = SimpleNamespace(keep=lambda saved, needs: [s for s, need in zip(saved, needs, strict=True) if need])
    assert _op.needed(keeper, everything, (False, True)) == ["w"]


def test_a_hollow_array_has_a_shape_and_no_memory() -> None:
    x = np.ones((1000, 2000), np.float32)
    hollow = _op.hollow(x)
    assert (hollow.shape, hollow.dtype) == (x.shape, x.dtype)
    assert not hollow.any()
    assert hollow.strides == (0, 0)
    assert not np.shares_memory(hollow, x)


@pytest.mark.parametrize("shape", [(), (3,), (2, 0)])
def test_a_hollow_array_of_any_shape(shape: tuple[int, ...]) -> None:
    assert _op.hollow(np.ones(shape)).shape == shape


IMAGES, KERNELS, NUMBERS = np.ones((2, 3, 5, 5)), np.ones((4, 3, 3, 3)), np.ones(3)
BUFFERS: dict[str, Any] = {"running_mean": None, "running_var": None, "training": True}
FRESH: list[tuple[Any, list[Array], dict[str, Any]]] = [
    (conv2d, [IMAGES, KERNELS, np.ones(4)], {"padding": 1}),
    (batch_norm, [IMAGES, NUMBERS, NUMBERS.copy()], BUFFERS),
    (linear, [np.ones((6, 3)), np.ones((4, 3)), np.ones(4)], {}),
]


@pytest.mark.parametrize(("op", "arrays", "params"), FRESH, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_called_fresh_is(op: Any, arrays: list[Array], params: dict[str, Any]) -> None:
    assert op.fresh
    y, saved = op.forward(*arrays, **params)
    dy = np.ones_like(y)
    check_fresh(op.backward(saved, dy, (True, True, True)), (dy, y, *arrays, *saved_arrays(saved)))

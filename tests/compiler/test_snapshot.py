"""A snapshot of tensors notices every change of a number, however it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from scratchconv.compiler._snapshot import Snapshot

CHANGES: dict[str, Callable[[sc.Tensor], Any]] = {
    "through NumPy": lambda t: t.data.reshape(-1).__setitem__(-1, 7),
    "the sign of a zero": lambda t: np.negative(t.data, out=t.data),
    "in place": lambda t: t.add_(1),
    "another array of equal numbers": lambda t: setattr(t, "data", t.data.copy()),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed(name: str, dtype: type) -> None:
    tensors = [sc.Tensor(np.zeros(shape, dtype)) for shape in ((), (1,), (3, 5), (2, 1000))]
    for tensor in tensors:
        snapshot = Snapshot([*tensors, tensors[0]])
        assert snapshot.holds()
        CHANGES[name](tensor)
        assert not snapshot.holds()


def test_equal_bits_are_no_change() -> None:
    tensor = sc.Tensor(np.array([np.nan, -0.0, 1.0]))
    snapshot = Snapshot([tensor])
    tensor.data[...] = tensor.data.copy()
    assert snapshot.holds()


def test_arrays_in_any_memory_order() -> None:
    weights = np.zeros((3, 2, 4, 5), np.float32).transpose(3, 2, 0, 1)
    holes = np.zeros((4, 6))[::2, ::3]
    for array in (weights, holes):
        snapshot = Snapshot([sc.Tensor(array)])
        assert snapshot.holds()
        array[1, 0] += 1
        assert not snapshot.holds()


def test_nothing_holds() -> None:
    assert Snapshot([]).holds()

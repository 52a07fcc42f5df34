"""Casts, copies and the ways out of the graph, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from tests.autograd.compare import draw, same, same_error


@pytest.mark.parametrize("name", ["float", "double", "long", "bool"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_])
def test_casts(name: str, dtype: Any) -> None:
    same(lambda lib, x: getattr(x, name)(), (draw(3, 4) * 3).astype(dtype))


def test_to() -> None:
    same(lambda lib, x: x.to(lib.float64) * 2, draw(3))
    x = sc.ones(2)
    assert x.to(sc.float32) is x
    assert x.astype("int64").dtype == sc.int64


def test_clone_keeps_the_memory_order_and_the_gradient() -> None:
    same(lambda lib, x: x.clone() * 2, draw(3, 4))
    x = sc.Tensor(draw(2, 4, 5, 3).transpose(0, 3, 1, 2))
    copy = x.clone()
    assert copy.data.strides == x.data.strides
    assert not np.shares_memory(copy.data, x.data)


def test_contiguous() -> None:
    same(lambda lib, x: x.t().contiguous() * 2, draw(3, 4))
    x = sc.zeros(3, 4)
    assert np.shares_memory(x.contiguous().data, x.data)
    assert x.t().contiguous().data.flags.c_contiguous


def test_detach_shares_memory_without_a_history() -> None:
    same(lambda lib, x: x.detach(), draw(3))
    same(lambda lib, x: (x * 2).detach() * x, draw(3))


def test_numbers() -> None:
    for value in (2.5, 3, True):
        same(lambda lib, value=value: lib.tensor(value).item())
        same(lambda lib, value=value: lib.tensor([value]).tolist())
        same(lambda lib, value=value: float(lib.tensor([value])))
        same(lambda lib, value=value: int(lib.tensor(value)))
        same(lambda lib, value=value: bool(lib.tensor(value)))
    same(lambda lib: lib.tensor([[1, 2], [3, 4]]).tolist())
    same(lambda lib: [10, 20, 30][lib.tensor(1)])
    same(lambda lib: bool(lib.tensor(0.0)))


def test_text() -> None:
    same(lambda lib: f"{lib.tensor(2.34567):.2f}")
    same(lambda lib: f"{lib.tensor(7):5d}|")


def test_numpy_shares_memory() -> None:
    x = sc.zeros(3)
    x.numpy()[0] = 5
    assert x.tolist() == [5, 0, 0]
    np.testing.assert_array_equal(np.asarray(x), x.data)
    assert np.asarray(x, np.float64).dtype == np.float64


@pytest.mark.parametrize(
    "expression",
    [
        lambda lib, x: x.numpy(),
        lambda lib, x: (x * 2).numpy(),
        lambda lib, x: np.asarray(x),
        lambda lib, x: x.item(),
        lambda lib, x: float(x.detach()),
        lambda lib, x: int(x.detach()),
        lambda lib, x: bool(x),
        lambda lib, x: [1, 2, 3][x.detach()],
    ],
)
def test_errors(expression: Any) -> None:
    same_error(expression, draw(3))

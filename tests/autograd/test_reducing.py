"""Reductions against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scratchconv as sc
from tests.autograd.compare import draw, same, same_error

SHAPE = (3, 2, 4)


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std"])
@given(st.sets(st.integers(0, 2), min_size=1).map(sorted), st.booleans(), st.booleans())
def test_axes(name: str, dims: list[int], keepdim: bool, negative: bool) -> None:
    dims = [dim - 3 for dim in dims] if negative else dims
    same(lambda lib, x: getattr(x, name)(dims, keepdim=keepdim), draw(*SHAPE))
    same(lambda lib, x: getattr(x, name)(dims[0], keepdim=keepdim), draw(*SHAPE, dtype=np.float64))


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "max"])
def test_all_elements(name: str) -> None:
    same(lambda lib, x: getattr(x, name)(), draw(*SHAPE))
    same(lambda lib, x: getattr(x, name)(), draw(2, 4, 4, 3).transpose(0, 3, 1, 2))


def test_correction() -> None:
    same(lambda lib, x: x.var(1, correction=0), draw(*SHAPE))
    same(lambda lib, x: x.std(1, correction=0, keepdim=True), draw(*SHAPE))


def test_sums_of_integers_and_bools_are_int64() -> None:
    same(lambda lib, x: x.sum(), np.array([[1, 2], [3, 4]]))
    same(lambda lib, x: x.sum(0), np.array([[True, True], [False, True]]))


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
@pytest.mark.parametrize("keepdim", [False, True])
def test_max_along_an_axis(dim: int, keepdim: bool) -> None:
    same(lambda lib, x: x.max(dim, keepdim).values, draw(*SHAPE))
    same(lambda lib, x: x.max(dim, keepdim=keepdim).indices, draw(*SHAPE))
    same(lambda lib, x: lib.max(x, dim, keepdim)[0], draw(*SHAPE))
    same(lambda lib, x: lib.max(x, dim)[1], draw(*SHAPE))
    same(lambda lib, x: x.argmax(dim, keepdim), draw(*SHAPE))
    same(lambda lib, x: lib.argmax(x, dim), draw(*SHAPE))


def test_the_first_maximum_wins_along_an_axis() -> None:
    x = np.array([[1, 3, 3], [2, 2, 0]], np.float32)
    same(lambda lib, x: x.max(1).values, x)
    same(lambda lib, x: x.max(1).indices, x)
    same(lambda lib, x: x.argmax(1), x)


def test_max_of_all_elements_shares_the_gradient_of_equals() -> None:
    same(lambda lib, x: x.max(), np.array([[1, 3, 3], [2, 3, 0]], np.float32))


def test_max_of_integers() -> None:
    x = np.array([[1, 5], [7, 2]])
    same(lambda lib, x: x.max(), x)
    same(lambda lib, x: x.max(1).values, x)
    same(lambda lib, x: x.argmax(0), x)


def test_argmax_of_all_elements_counts_in_logical_order() -> None:
    same(lambda lib, x: x.argmax(), draw(2, 4, 4, 3).transpose(0, 3, 1, 2))


def test_max_of_two_tensors() -> None:
    same(lambda lib, x, y: lib.max(x, y), draw(3, 4), draw(4, seed=1))


def test_not_a_number_wins() -> None:
    x = np.array([1, np.nan, 3, np.nan], np.float32)
    same(lambda lib, x: x.detach().max(), x)
    same(lambda lib, x: x.argmax(), x)


def test_sums_of_nothing() -> None:
    same(lambda lib, x: x.sum(), draw(0, 3))
    same(lambda lib, x: x.sum(0), draw(0, 3))
    same(lambda lib, x: x.sum(), draw())


def test_any_and_all() -> None:
    same(lambda lib, x: (x > 0).any(), draw(4))
    same(lambda lib, x: (x > 0).all(), draw(4))
    same(lambda lib, x: (x > -9).all(), draw(4))


@pytest.mark.parametrize(
    "expression",
    [
        lambda lib, x: x.sum(2),
        lambda lib, x: x.sum((0, 0)),
        lambda lib, x: x.mean(-3),
        lambda lib, x: x.max(2),
        lambda lib, x: x.argmax(5),
        lambda lib, x: lib.tensor([1, 2]).mean(),
        lambda lib, x: x[:0].max(),
        lambda lib, x: x[:0].max(0),
        lambda lib, x: x[:0].argmax(),
        lambda lib, x: x[:0].argmax(0),
    ],
)
def test_errors(expression: Any) -> None:
    same_error(expression, draw(3, 2))


def test_sc_functions_exist() -> None:
    assert sc.max(sc.tensor([1.0, 2.0])).item() == 2

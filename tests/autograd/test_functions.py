"""Functions beside the methods, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.autograd.compare import draw, same, same_error


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cat_and_stack(dim: int) -> None:
    a, b, c = draw(2, 3), draw(2, 3, seed=1), draw(2, 3, seed=2)
    same(lambda lib, *xs: lib.cat(xs, dim) * 2, a, b, c)
    same(lambda lib, *xs: lib.cat([xs[0], xs[1], xs[0]], dim=dim), a, b)
    same(lambda lib, *xs: lib.stack(xs, dim) * 2, a, b, c)
    same(lambda lib, *xs: lib.stack([xs[0], xs[0]], dim=dim), a)


def test_cat_of_different_lengths_and_dtypes() -> None:
    same(lambda lib, *xs: lib.cat(xs), draw(2, 3), draw(5, 3), draw(0, 3))
    same(lambda lib, *xs: lib.cat(xs), draw(2), draw(2, dtype=np.float64))
    same(lambda lib, *xs: lib.cat(xs), draw(2), np.arange(3))
    same(lambda lib, *xs: lib.cat(xs, 1), *(draw(2, 4, 5, n).transpose(0, 3, 1, 2) for n in (3, 2)))


@pytest.mark.parametrize(
    "expression",
    [
        lambda lib, x: lib.cat([]),
        lambda lib, x: lib.stack([]),
        lambda lib, x: lib.cat([x, x[0]]),
        lambda lib, x: lib.cat([x, x[:, :1]]),
        lambda lib, x: lib.cat([x], 2),
        lambda lib, x: lib.cat([x[0, 0]]),
        lambda lib, x: lib.cat([1, 2]),
        lambda lib, x: lib.stack([x, x[0]]),
        lambda lib, x: lib.stack([x], 3),
        lambda lib, x: lib.stack([x, 3]),
    ],
)
def test_errors(expression: Any) -> None:
    same_error(expression, draw(2, 3))


def test_where() -> None:
    same(lambda lib, x, y: lib.where(x > 0, x, y), draw(3, 4), draw(4, seed=1))
    same(lambda lib, x: lib.where(x > 0, x, 0.0), draw(3, 4))
    same_error(lambda lib, x: lib.where(x, x, x), draw(3))


@pytest.mark.parametrize("name", ["exp", "abs", "relu", "sum", "mean"])
def test_functions_that_are_methods(name: str) -> None:
    same(lambda lib, x: getattr(lib, name)(x), draw(3, 4))


def test_more_functions_that_are_methods() -> None:
    same(lambda lib, x, y: lib.matmul(x, y), draw(2, 3), draw(3, 4))
    same(lambda lib, x: lib.flatten(x, 1), draw(2, 3, 4))
    same(lambda lib, x: lib.log(x.exp()), draw(3))
    same(lambda lib, x: lib.sqrt(x * x + 1), draw(3))

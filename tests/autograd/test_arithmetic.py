"""Operators and elementwise functions against PyTorch: broadcasting, dtypes, gradients, errors."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import scratchconv as sc
from tests.autograd.compare import draw, same, same_error

BINARY = [operator.add, operator.sub, operator.mul, operator.truediv]
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]
DTYPES = [np.bool_, np.int64, np.float32, np.float64]


def positive(*shape: int, seed: int = 0) -> Any:
    return np.abs(draw(*shape, seed=seed)) + np.float32(0.5)


@pytest.mark.parametrize("op", BINARY)
@given(mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0))
def test_broadcasting(op: Any, shapes: Any) -> None:
    a, b = shapes.input_shapes
    same(lambda lib, x, y: op(x, y), draw(*a), positive(*b, seed=1))


@pytest.mark.parametrize("op", [*BINARY, *COMPARISONS])
@pytest.mark.parametrize("left", DTYPES)
@pytest.mark.parametrize("right", DTYPES)
@pytest.mark.parametrize("shapes", [((3,), (3,)), ((3,), ()), ((), (3,)), ((), ())])
def test_dtypes_of_two_tensors(op: Any, left: Any, right: Any, shapes: Any) -> None:
    x, y = (np.ones(shape, dtype) for shape, dtype in zip(shapes, (left, right), strict=True))
    if np.bool_ in (left, right) and op is operator.sub:
        same_error(lambda lib, x, y: op(x, y), x, y)
    else:
        same(lambda lib, x, y: op(x, y), x, y)


@pytest.mark.parametrize("op", [*BINARY, *COMPARISONS])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", [True, 2, 2.5, np.float32(2.5), np.int64(3)])
def test_dtypes_of_a_tensor_and_a_number(op: Any, dtype: Any, number: Any) -> None:
    x = np.array([1, 1, 0]).astype(dtype)
    if (dtype == np.bool_ or number is True) and op is operator.sub:
        same_error(lambda lib, x: op(x, number), x)
        return
    same(lambda lib, x: op(x, number), x)
    if not isinstance(number, np.generic) and op is not operator.truediv:  # NumPy's scalars have operators of their own
        same(lambda lib, x: op(number, x), x)


def test_a_number_on_the_left() -> None:
    x = positive(3, 2)
    for op in (*BINARY, operator.pow):
        same(lambda lib, x, op=op: op(2.0, x), x)
        same(lambda lib, x, op=op: op(2, x), x)


def test_an_array_on_the_left_makes_a_tensor() -> None:
    x = sc.ones(3, requires_grad=True)
    y = np.arange(3, dtype=np.float32) * x
    assert isinstance(y, sc.Tensor) and y.requires_grad
    assert isinstance(np.float64(2) * x, sc.Tensor)


@pytest.mark.parametrize("exponent", [2, 3.0, 0.5, -1, 0, 1])
def test_power_with_a_number(exponent: float) -> None:
    same(lambda lib, x: x**exponent, positive(3, 4))


def test_power_of_tensors() -> None:
    same(lambda lib, x, y: x**y, positive(3, 4), draw(4, seed=1))
    same(lambda lib, x: x**2, draw(3, 4))
    same(lambda lib, x: x**2, np.array([1, -2, 3]))


@pytest.mark.parametrize("name", ["exp", "abs", "relu", "__neg__"])
def test_functions_of_any_number(name: str) -> None:
    same(lambda lib, x: getattr(x, name)(), draw(3, 4))
    same(lambda lib, x: getattr(x, name)(), draw(3, 4, dtype=np.float64))
    same(lambda lib, x: getattr(x, name)(), draw(2, 4, 4, 3).transpose(0, 3, 1, 2))
    same(lambda lib, x: getattr(x, name)(), draw())
    same(lambda lib, x: getattr(x, name)(), np.array([-2, 0, 3]))


@pytest.mark.parametrize("name", ["log", "sqrt"])
def test_functions_of_positive_numbers(name: str) -> None:
    same(lambda lib, x: getattr(x, name)(), positive(3, 4))
    same(lambda lib, x: getattr(x, name)(), np.array([1, 2, 3]))


PRODUCTS = [((2, 3), (3, 4)), ((3,), (3, 4)), ((2, 3), (3,)), ((3,), (3,)), ((5, 2, 3), (5, 3, 4)), ((5, 2, 3), (3, 4))]


@pytest.mark.parametrize("shapes", PRODUCTS)
def test_matmul(shapes: Any) -> None:
    a, b = shapes
    same(lambda lib, x, y: x @ y, draw(*a), draw(*b, seed=1))
    same(lambda lib, x, y: x.matmul(y), draw(*a, dtype=np.float64), draw(*b, seed=1, dtype=np.float64))


def test_maximum_shares_the_gradient_of_equals() -> None:
    same(lambda lib, x, y: lib.maximum(x, y), draw(3, 4), draw(4, seed=1))
    same(lambda lib, x, y: lib.maximum(x, y), np.ones((2, 3), np.float32), np.ones(3, np.float32))


@given(mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3), st.sampled_from(COMPARISONS))
def test_comparisons(shapes: Any, op: Any) -> None:
    a, b = (np.random.default_rng(0).integers(0, 3, shape).astype(np.float32) for shape in shapes.input_shapes)
    same(lambda lib, x, y: op(x, y), a, b)


def test_masks() -> None:
    same(lambda lib, x: (x > 0) & (x < 1), draw(5))
    same(lambda lib, x: (x < 0) | (x > 1), draw(5))
    same(lambda lib, x: ~(x < 0), draw(5))


def test_correct_predictions_are_counted_as_in_the_article() -> None:
    predicted = sc.tensor([[0.1, 0.9], [0.8, 0.2]]).argmax(1)
    assert (predicted == sc.tensor([1, 1])).sum().item() == 1


def test_comparison_with_something_else_is_pythons() -> None:
    assert (sc.ones(2) == "a") is False and (torch.ones(2) == "a") is False
    assert (sc.ones(2) == None) is False  # noqa: E711


def test_a_tensor_is_a_key_by_identity() -> None:
    a, b = sc.ones(2), sc.ones(2)
    assert {a: 1, b: 2}[a] == 1


@pytest.mark.parametrize(
    "expression",
    [
        lambda lib, x: x + lib.ones(4),
        lambda lib, x: x < lib.ones(4),
        lambda lib, x: x + "a",
        lambda lib, x: "a" + x,
        lambda lib, x: x < "a",
        lambda lib, x: x @ lib.ones(4),
        lambda lib, x: x @ lib.ones(3, dtype=lib.float64),
        lambda lib, x: x @ 3.0,
        lambda lib, x: x.sum() @ x,
        lambda lib, x: -(x > 0),
    ],
)
def test_errors(expression: Any) -> None:
    same_error(expression, draw(3))

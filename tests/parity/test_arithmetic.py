"""Elementwise operations, broadcasting, reductions, and optimizer updates beside PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.parity.checks import (
    Expression,
    assert_exact,
    assert_parity,
    assert_same_error,
    integers,
    largest_element,
    normal,
)

UNARY: dict[str, Expression] = {
    "neg": lambda lib, x: -x,
    "abs": lambda lib, x: x.abs(),
    "relu": lambda lib, x: lib.nn.functional.relu(x),
    "square": lambda lib, x: x**2,
    "cube": lambda lib, x: x**3,
    "exp": lambda lib, x: x.exp(),
    "log": lambda lib, x: x.abs().log(),
    "sqrt": lambda lib, x: x.abs().sqrt(),
    "reciprocal": lambda lib, x: 1.0 / x,
    "number - x": lambda lib, x: 2.0 - x,
    "number * x + number": lambda lib, x: 3.0 * x + 2.0,
}
BINARY: dict[str, Expression] = {
    "add": lambda lib, a, b: a + b,
    "sub": lambda lib, a, b: a - b,
    "mul": lambda lib, a, b: a * b,
    "div": lambda lib, a, b: a / b,
    "maximum": lambda lib, a, b: lib.maximum(a, b),
}
REDUCTIONS: dict[str, Expression] = {
    "sum": lambda lib, x: x.sum(),
    "sum of rows": lambda lib, x: x.sum(dim=1),
    "sum of columns, kept": lambda lib, x: x.sum(dim=0, keepdim=True),
    "sum of both": lambda lib, x: x.sum(dim=(0, 1)),
    "mean": lambda lib, x: x.mean(),
    "mean of rows": lambda lib, x: x.mean(dim=-1),
    "max of rows": lambda lib, x: x.max(dim=1)[0],
    "max": lambda lib, x: x.max(),
}


@pytest.mark.parametrize("op", UNARY)
@pytest.mark.parametrize("shape", [(), (1,), (17,), (3, 5, 7), (2, 19, 4, 3), (0, 3)])
def test_unary(op: str, shape: tuple[int, ...]) -> None:
    assert_parity(UNARY[op], normal(1, *shape))


@st.composite
def broadcastable(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast: one keeps the sizes, both may have axes of 1, and either may lack leading axes."""
    full = draw(st.lists(st.integers(0, 6), min_size=1, max_size=4))
    shapes = []
    for _ in range(2):
        kept = [size if draw(st.booleans()) else 1 for size in full]
        shapes.append(tuple(kept[draw(st.integers(0, len(full))) :]))
    return shapes[0], shapes[1]


@pytest.mark.parametrize("op", BINARY)
@given(shapes=broadcastable())
def test_binary_broadcasting(op: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    a, b = normal(1, *shapes[0]), normal(2, *shapes[1])
    if op == "div":
        b = np.sign(b) + b  # a divisor away from zero: the terms of db may otherwise cancel beyond float32
        b = b.astype(np.float32).astype(np.float64)
    assert_parity(BINARY[op], a, b)
    if op != "div":
        assert_exact(BINARY[op], integers(1, *shapes[0]), integers(2, *shapes[1]))


def test_ties_share_the_gradient_of_maximum() -> None:
    ties = integers(1, 40, low=-1, high=1)
    assert_exact(BINARY["maximum"], ties, ties.copy())


@pytest.mark.parametrize("op", ["abs", "relu", "square"])
def test_kinks_and_signed_zeros(op: str) -> None:
    assert_exact(UNARY[op], np.array([0.0, -0.0, 1.0, -1.0]))


@pytest.mark.parametrize("op", REDUCTIONS)
@given(n=st.integers(1, 9), m=st.integers(1, 300))
def test_reductions(op: str, n: int, m: int) -> None:
    assert_parity(REDUCTIONS[op], normal(1, n, m))
    assert_exact(REDUCTIONS[op] if "mean" not in op else REDUCTIONS["sum"], integers(1, n, m))


@given(n=st.integers(2, 9), m=st.integers(2, 200), offset=st.sampled_from([0.0, 1000.0]))
def test_var(n: int, m: int, offset: float) -> None:
    x = (normal(1, n, m) + offset).astype(np.float32).astype(np.float64)
    # Rounding of a deviation is that of x where the offset is large: eps·offset of a deviation of 1, twice, squared.
    # The float64 truth is PyTorch's running update: one rounding an element, a random walk of √m half-epsilons.
    roundings = 4 + m**0.5 / 2 + 4 * offset
    assert_parity(lambda lib, t: t.var(dim=1), x, magnitude=largest_element, roundings=roundings)


def test_first_maximum_gets_the_gradient() -> None:
    assert_exact(lambda lib, x: x.max(dim=1)[0], np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]))


def test_special_values() -> None:
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0])
    for op in ("relu", "neg", "exp"):
        assert_exact(UNARY[op], special)
    assert_exact(UNARY["abs"], special[1:])  # the slope of |NaN| is NaN here and 0 in PyTorch
    assert_exact(lambda lib, a, b: lib.maximum(a, b), special, special[::-1].copy())


def test_errors_are_pytorchs() -> None:
    for op in BINARY.values():
        assert_same_error(op, normal(1, 2, 3), normal(2, 2, 4), mentions=("(2, 3)", "(2, 4)"))
    assert_same_error(lambda lib, x: x.sum(dim=2), normal(1, 2, 3), mentions=("2",))
    assert_same_error(lambda lib, x: x.backward(), normal(1, 2, 3), mentions=("(2, 3)",))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("SGD", {"lr": 0.1}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        ("Adam", {"lr": 1e-3}),
        ("Adam", {"lr": 1e-2, "betas": (0.7, 0.8), "eps": 1e-3, "weight_decay": 0.1}),
    ],
)
def test_optimizer_updates(name: str, params: dict[str, object]) -> None:
    def train(lib, p, *gradients):
        optimizer = getattr(lib.optim, name)([p], **params)
        for gradient in gradients:
            p.grad = gradient
            optimizer.step()
        return p.detach()

    gradients = [normal(seed, 5, 7) for seed in range(2, 7)]
    frozen = frozenset(f"x{i}" for i in range(1, 6))
    # Five updates round a few times each; what they add to p is of the size of p at most.
    assert_parity(train, normal(1, 5, 7), *gradients, frozen=frozen, magnitude=largest_element, roundings=8)

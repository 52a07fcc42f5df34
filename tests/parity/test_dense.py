"""linear, matmul and cross_entropy beside PyTorch."""

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

sizes = st.integers(1, 40)


def matmul(lib, a, b):
    return a @ b


def linear(lib, x, w, *b):
    return lib.nn.functional.linear(x, w, *b)


def cross_entropy(**params) -> Expression:
    return lambda lib, x, t: lib.nn.functional.cross_entropy(x, t, **params)


@given(n=st.integers(0, 20), k=sizes, m=sizes)
def test_matmul(n: int, k: int, m: int) -> None:
    assert_parity(matmul, normal(1, n, k), normal(2, k, m))
    assert_exact(matmul, integers(1, n, k), integers(2, k, m))


@given(n=st.integers(0, 20), k=sizes, m=sizes, bias=st.booleans())
def test_linear(n: int, k: int, m: int, bias: bool) -> None:
    last = (normal(3, m),) if bias else ()
    assert_parity(linear, normal(1, n, k), normal(2, m, k), *last)
    assert_exact(linear, integers(1, n, k), integers(2, m, k), *map(np.rint, last))


def test_long_inner_dimension() -> None:
    assert_parity(matmul, normal(1, 3, 5000), normal(2, 5000, 7))


def test_operands_that_are_views() -> None:
    assert_parity(lambda lib, a, b: a.t() @ b[:, ::2], normal(1, 13, 9), normal(2, 13, 10))
    assert_parity(lambda lib, x, w: lib.nn.functional.linear(x[::2], w), normal(1, 9, 6), normal(2, 5, 6))


@given(n=st.integers(1, 30), classes=st.integers(2, 20), reduction=st.sampled_from(["mean", "sum", "none"]))
def test_cross_entropy(n: int, classes: int, reduction: str) -> None:
    # Its gradient (softmax − target)/n is a difference: errors are measured by the largest element. Eight roundings,
    # because the exponential, the logarithm and the sums round a few times each.
    target = np.random.default_rng(n).integers(0, classes, n)
    fn = cross_entropy(reduction=reduction)
    assert_parity(fn, 3 * normal(1, n, classes), target, magnitude=largest_element, roundings=8)


@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_cross_entropy_of_far_scores_stays_finite(offset: float) -> None:
    scores = normal(1, 8, 10) + np.where(np.arange(10) == 3, offset, 0.0)
    scores = scores.astype(np.float32).astype(np.float64)
    # The loss subtracts scores near 1e4: those carry the rounding, not the loss.
    assert_parity(
        cross_entropy(),
        scores,
        np.arange(8),
        magnitude=lambda truth, *rest: {"y": abs(offset), "dx0": 1.0},
    )


def test_errors_are_pytorchs() -> None:
    assert_same_error(matmul, normal(1, 3, 4), normal(2, 5, 6), mentions=("(3, 4)", "(5, 6)"))
    assert_same_error(linear, normal(1, 3, 4), normal(2, 6, 5), mentions=("(3, 4)", "(6, 5)"))
    assert_same_error(cross_entropy(), normal(1, 3, 4), np.zeros(2, np.int64), mentions=("3", "2"))
    assert_same_error(cross_entropy(), normal(1, 3, 4), np.array([0, 1, 4]), mentions=("4",))
    assert_same_error(cross_entropy(reduction="average"), normal(1, 3, 4), np.zeros(3, np.int64), mentions=("average",))

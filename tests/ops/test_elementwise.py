"""Elementwise operations against PyTorch, for shapes that broadcast and any memory order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import scratchconv as sc
from scratchconv.autograd import apply
from scratchconv.autograd.gradcheck import gradcheck
from scratchconv.ops import elementwise as ops
from tests.array_strategies import DTYPES, arrays, shape_pairs, shapes
from tests.ops.comparing import check

BINARY = {
    "ADD": torch.add,
    "SUB": torch.sub,
    "MUL": torch.mul,
    "DIV": torch.div,
    "POW": torch.pow,
    "MAXIMUM": torch.maximum,
}
UNARY = {
    "NEG": torch.neg,
    "EXP": torch.exp,
    "LOG": torch.log,
    "SQRT": torch.sqrt,
    "ABS": torch.abs,
    "RELU": torch.relu,
}
# One to three rounded operations an element; a gradient is a sum of up to 17 * 17 * 17 of them, which PyTorch adds in
# float32 (relative to the largest result).
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-13}


@given(st.data(), shape_pairs, st.sampled_from(sorted(BINARY)), st.sampled_from(DTYPES))
def test_binary(data: Any, pair: Any, name: str, dtype: type) -> None:
    low = 0.25 if name in ("POW", "DIV") else -2.0
    x, y = (data.draw(arrays(shape, dtype, low=low)) for shape in pair.input_shapes)
    check(getattr(ops, name), BINARY[name], x, y, tolerance=TOLERANCE[dtype])


@given(st.data(), shapes, st.sampled_from(sorted(UNARY)), st.sampled_from(DTYPES))
def test_unary(data: Any, shape: tuple[int, ...], name: str, dtype: type) -> None:
    x = data.draw(arrays(shape, dtype, low=0.25 if name in ("LOG", "SQRT") else -2.0))
    check(getattr(ops, name), UNARY[name], x, tolerance=TOLERANCE[dtype])


@pytest.mark.parametrize("name", [*BINARY, *UNARY])
def test_gradients_against_differences(name: str) -> None:
    rng = np.random.default_rng(0)
    count = 2 if name in BINARY else 1
    inputs = [sc.from_numpy(rng.uniform(0.5, 2, size=s)).requires_grad_() for s in ((3, 1, 5), (4, 5))[:count]]
    assert gradcheck(lambda *xs: apply(getattr(ops, name), *xs), inputs)


def test_gradients_of_ties() -> None:
    check(ops.MAXIMUM, torch.maximum, np.array([1.0, 2.0]), np.array([1.0, 3.0]), tolerance=0)
    check(ops.RELU, torch.relu, np.array([0.0, -0.0, 1.0]), tolerance=0)
    check(ops.ABS, torch.abs, np.array([0.0, -2.0]), tolerance=0)
    check(ops.POW, torch.pow, np.array([0.0, 0.0, 2.0]), np.array([0.0, 3.0, 2.0]), tolerance=1e-15)


def test_square_is_exact() -> None:
    x = np.array([0.1, -3.0], np.float32)
    assert np.array_equal(check(ops.POW, torch.pow, x, np.float32(2.0).reshape(()), tolerance=1e-6), x * x)


def test_result_keeps_the_memory_order() -> None:
    x = np.zeros((2, 3, 4, 5), np.float32).transpose(0, 3, 1, 2)
    assert ops.RELU.forward(x)[0].strides == x.strides
    assert ops.ADD.forward(np.ones((5, 1, 1), np.float32), x)[0].strides == x.strides


def test_relu_in_place() -> None:
    for x in (np.array([-1.0, 2.0]), np.arange(-6.0, 6.0).reshape(3, 4)[:, ::2], np.array([-1, 1])):
        wanted = np.maximum(x, 0)
        y, saved = ops.RELU.forward(x, inplace=True)
        assert y is x
        assert saved.array is x
        assert np.array_equal(x, wanted)


def test_integers_and_bools() -> None:
    x, y = np.array([[1], [-2]]), np.array([3, 4])
    assert ops.ADD.forward(x, y)[0].tolist() == [[4, 5], [1, 2]]
    assert ops.MAXIMUM.forward(x, y)[0].tolist() == [[3, 4], [3, 4]]
    assert ops.NEG.forward(x)[0].tolist() == [[-1], [2]]
    assert ops.ABS.forward(x)[0].tolist() == [[1], [2]]
    assert ops.RELU.forward(x)[0].tolist() == [[1], [0]]
    with pytest.raises(RuntimeError, match="pow of int64"):
        ops.POW.forward(y, np.array([-1, -1]))


def test_comparisons() -> None:
    x, y = np.array([1.0, 2.0, np.nan]), np.array([1.0, 3.0, np.nan])
    assert ops.eq(x, y).tolist() == [True, False, False]
    assert ops.ne(x, y).tolist() == [False, True, True]
    assert ops.lt(x, y).tolist() == [False, True, False]
    assert ops.le(x, y).tolist() == [True, True, False]
    assert ops.gt(y, x).tolist() == [False, True, False]
    assert ops.ge(x, 1.0).tolist() == [True, True, False]
    with pytest.raises(RuntimeError, match=r"eq: shapes \(3,\) and \(2,\)"):
        ops.eq(x, y[:2])


def test_errors() -> None:
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(RuntimeError, match=r"add: shapes \(2, 3\) and \(2,\) do not broadcast"):
        ops.ADD.forward(x, x[:, 0])
    with pytest.raises(RuntimeError, match="one dtype, got float32 and float64"):
        ops.MUL.forward(x, x.astype(np.float64))
    with pytest.raises(RuntimeError, match="exp needs float32 or float64, got int64"):
        ops.EXP.forward(np.array([1]))

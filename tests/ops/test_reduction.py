"""Reductions against PyTorch: any axes, any memory order, ties, NaN, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

import scratchconv as sc
from scratchconv.autograd import apply
from scratchconv.autograd.gradcheck import gradcheck
from scratchconv.ops import reduction as ops
from tests.array_strategies import DTYPES, arrays
from tests.ops.comparing import check

# PyTorch sums up to 19 ** 3 numbers of size 1 in float32, in its own order; relative to the largest result.
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-13}
shapes = array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=9)


def some_dims(data: Any, ndim: int) -> Any:
    """None, one axis (perhaps counted from the end), or several."""
    if ndim == 0:
        return data.draw(st.sampled_from([None, 0, -1]))
    axis = st.integers(-ndim, ndim - 1)
    several = st.lists(axis, max_size=ndim, unique_by=lambda a: a % ndim).map(tuple)
    return data.draw(st.one_of(st.none(), axis, several))


@given(st.data(), shapes, st.sampled_from(["SUM", "MEAN", "VAR"]), st.booleans(), st.sampled_from(DTYPES))
def test_sums(data: Any, shape: tuple[int, ...], name: str, keepdim: bool, dtype: type) -> None:
    x, dim = data.draw(arrays(shape, dtype)), some_dims(data, len(shape))
    more = {"correction": data.draw(st.sampled_from([0, 1]))} if name == "VAR" else {}
    reduced = (
        [axis % len(shape) for axis in np.atleast_1d(dim)]
        if dim is not None and dim != () and shape
        else range(len(shape))
    )
    if name == "VAR" and np.prod([shape[axis] for axis in reduced]) <= 1:
        return  # a division by zero, of which PyTorch warns: tested below

    def function(t: torch.Tensor) -> torch.Tensor:
        return getattr(torch, name.lower())(
            t, dim=list(range(t.ndim)) if dim in (None, ()) else dim, keepdim=keepdim, **more
        )

    check(getattr(ops, name), function, x, dim=dim, keepdim=keepdim, tolerance=TOLERANCE[dtype], **more)


@given(st.data(), shapes, st.booleans(), st.sampled_from(DTYPES))
def test_max_along_an_axis(data: Any, shape: tuple[int, ...], keepdim: bool, dtype: type) -> None:
    x = np.round(data.draw(arrays(shape, dtype)) * 2)  # many ties
    dim = data.draw(st.integers(-max(len(shape), 1), max(len(shape), 1) - 1))
    check(ops.MAX, lambda t: t.max(dim, keepdim=keepdim)[0], x, dim=dim, keepdim=keepdim, tolerance=0)
    _, saved = ops.MAX.forward(x, dim=dim, keepdim=keepdim)
    expected = torch.tensor(np.array(x)).max(dim, keepdim=keepdim)[1].numpy()
    assert np.array_equal(saved.indices, expected)
    assert np.array_equal(ops.argmax(x, dim, keepdim), expected)


@given(st.data(), shapes)
def test_max_of_everything(data: Any, shape: tuple[int, ...]) -> None:
    x = np.round(data.draw(arrays(shape, np.float32)) * 2)
    check(ops.MAX, torch.max, x, tolerance=1e-6)  # the gradient is divided evenly among ties
    assert ops.argmax(x) == np.argmax(x)  # in row-major order, whatever the memory order


def test_nan_is_the_maximum() -> None:
    x = np.array([[1.0, np.nan, 2.0, np.nan], [3.0, 5.0, 5.0, -1.0]])
    values, saved = ops.MAX.forward(x, dim=1)
    np.testing.assert_array_equal(values, [np.nan, 5])
    assert saved.indices.tolist() == [1, 1]
    y, saved = ops.MAX.forward(x)
    assert np.isnan(y)
    assert ops.MAX.backward(saved, np.ones(()), (True,))[0].tolist() == [[0, 0.5, 0, 0.5], [0, 0, 0, 0]]


def test_by_hand() -> None:
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]])
    assert ops.SUM.forward(x, dim=0)[0].tolist() == [5, 7, 12]
    assert ops.MEAN.forward(x, dim=1, keepdim=True)[0].tolist() == [[2], [6]]
    assert ops.VAR.forward(x, dim=1)[0].tolist() == [1, 7]
    assert ops.argmax(x, 0).tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", ["SUM", "MEAN", "VAR", "MAX"])
@pytest.mark.parametrize("dim", [None, 1])
def test_gradients_against_differences(name: str, dim: int | None) -> None:
    x = sc.from_numpy(np.random.default_rng(0).normal(size=(3, 4, 5))).requires_grad_()
    assert gradcheck(lambda t: apply(getattr(ops, name), t, dim=dim), [x])


def test_sum_of_a_long_array_is_as_exact_as_in_pytorch() -> None:
    x = np.random.default_rng(0).normal(size=(64, 20_000)).astype(np.float32)
    truth = x.astype(np.float64).sum(1)
    sums = ops.SUM.forward(x, dim=1)[0], torch.tensor(x).sum(1).numpy()
    ours, theirs = (np.sqrt(np.mean((y - truth) ** 2)) for y in sums)
    assert ours < 1.2 * theirs  # short runs merged in float64, against PyTorch's tree of sums in float32


def test_integers_and_empty_arrays() -> None:
    assert ops.SUM.forward(np.array([True, True, False]))[0] == 2
    assert ops.SUM.forward(np.array([True]))[0].dtype == np.int64
    assert ops.SUM.forward(np.zeros((0, 2), np.float32), dim=0)[0].tolist() == [0, 0]
    assert np.isnan(ops.MEAN.forward(np.zeros((0, 2)), dim=0)[0]).all()
    assert ops.SUM.forward(np.zeros((0, 2)), dim=1)[0].shape == (0,)
    assert ops.MAX.forward(np.array([[3, 7, 7]]), dim=1)[1].indices.tolist() == [1]
    assert np.isnan(ops.VAR.forward(np.ones((1, 2)), dim=0)[0]).all()


def test_variance_over_an_axis_of_one_element() -> None:
    x = np.random.default_rng(0).normal(size=(1, 3, 4))
    check(ops.VAR, lambda t: t.var((0, 1)), x, dim=(0, 1), tolerance=TOLERANCE[np.float64])


def test_sum_to() -> None:
    dy = np.arange(24.0).reshape(2, 3, 4)
    assert ops.sum_to(dy, (2, 3, 4)) is dy
    assert np.array_equal(ops.sum_to(dy, (3, 1)), dy.sum((0, 2)).reshape(3, 1))
    assert ops.sum_to(dy, ()) == dy.sum()


def test_errors() -> None:
    x = np.zeros((2, 0, 3), np.float32)
    with pytest.raises(IndexError, match=r"dim must lie between -3 and 2, got 3 for shape \(2, 0, 3\)"):
        ops.SUM.forward(x, dim=3)
    with pytest.raises(RuntimeError, match=r"named once, got \(0, -3\)"):
        ops.SUM.forward(x, dim=(0, -3))
    with pytest.raises(IndexError, match="at least one element, got dim=1"):
        ops.MAX.forward(x, dim=1)
    with pytest.raises(RuntimeError, match="max needs at least one element, got dim=None"):
        ops.MAX.forward(x)
    with pytest.raises(IndexError, match="argmax needs at least one element"):
        ops.argmax(x)
    with pytest.raises(RuntimeError, match="mean needs float32 or float64, got int64"):
        ops.MEAN.forward(np.array([1, 2]))

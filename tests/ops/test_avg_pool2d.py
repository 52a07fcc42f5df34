from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scratchconv.ops import avg_pool2d as op
from tests.ops.beside_torch import assert_directional_derivative, assert_same_error, by_torch, forward_backward
from tests.strategies import LAYOUTS, PoolGeometry, dtypes, layouts, pool_geometries

avg_pool2d = torch.nn.functional.avg_pool2d
X = np.arange(2 * 3 * 5 * 5, dtype=np.float32).reshape(2, 3, 5, 5)


@given(
    geometry=pool_geometries(dilation=False),
    count=st.booleans(),
    divisor=st.sampled_from([None, 3, -2, 2**40]),
    dtype=dtypes,
    layout=layouts,
    dy_layout=layouts,
)
def test_equals_torch_in_any_memory(
    geometry: PoolGeometry, count: bool, divisor: int | None, dtype: Any, layout: str, dy_layout: str
) -> None:
    params = geometry.params | {"count_include_pad": count, "divisor_override": divisor}
    x = LAYOUTS[layout](np.random.default_rng(0).integers(-2, 3, geometry.x_shape).astype(dtype))
    y_shape = avg_pool2d(torch.zeros(geometry.x_shape), **params).shape
    dy = LAYOUTS[dy_layout](np.random.default_rng(1).integers(-4, 5, y_shape).astype(dtype))
    y, (dx,) = forward_backward(op, [x], dy, **params)
    wanted_y, (wanted_dx,) = by_torch(avg_pool2d, [x], dy, **params)
    assert y.dtype == dx.dtype == dtype
    np.testing.assert_array_equal(y, wanted_y)  # exact sums and one division
    np.testing.assert_array_equal(dx, wanted_dx)  # the same quotients in the same order


def test_result_lies_channels_last() -> None:
    y, saved = op.forward(X, kernel_size=2)
    (dx,) = op.backward(saved, np.ones_like(y), (True,))
    for array in (y, dx):
        assert array.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("shape", [(3, 5, 6), (0, 3, 5, 6)], ids=["one image", "empty batch"])
def test_batch_dimension(shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    y, (dx,) = forward_backward(op, [x], kernel_size=(2, 3), stride=1)
    wanted_y, (wanted_dx,) = by_torch(avg_pool2d, [x], kernel_size=(2, 3), stride=1)
    np.testing.assert_array_equal(y, wanted_y)
    np.testing.assert_array_equal(dx, wanted_dx)
    assert dx.shape == shape


@pytest.mark.parametrize(
    "params",
    [
        {"kernel_size": 4},
        {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
        {"kernel_size": (3, 2), "stride": (1, 2), "ceil_mode": True, "divisor_override": 5},
    ],
    ids=str,
)
def test_directional_derivative(params: dict[str, Any]) -> None:
    assert_directional_derivative(op, [np.random.default_rng(0).standard_normal((2, 5, 7, 8))], **params)


def test_gradient_is_none_where_it_is_not_needed() -> None:
    y, saved = op.forward(X, kernel_size=2)
    assert op.backward(saved, y, (False,)) == (None,)


@pytest.mark.parametrize(
    ("params", "mentions"),
    [
        ({"kernel_size": 2.0}, ["2.0"]),
        ({"kernel_size": (2, 2, 2)}, ["(2, 2, 2)"]),
        ({"kernel_size": 0}, ["kernel_size", "(0, 0)"]),
        ({"kernel_size": 2, "stride": (0, 1)}, ["stride", "(0, 1)"]),
        ({"kernel_size": 2, "padding": 2}, ["half", "(2, 2)"]),
        ({"kernel_size": 7}, ["(2, 3, 5, 5)", "(7, 7)"]),
        ({"kernel_size": 2, "ceil_mode": 1}, ["ceil_mode", "1"]),
        ({"kernel_size": 2, "count_include_pad": 1}, ["count_include_pad", "1"]),
        ({"kernel_size": 2, "divisor_override": 0}, ["divisor_override", "0"]),
        ({"kernel_size": 2, "divisor_override": 2.5}, ["divisor_override", "2.5"]),
        ({"kernel_size": 2, "divisor_override": True}, ["divisor_override", "True"]),
        ({"kernel_size": 2, "divisor_override": 2**63}, ["divisor_override", str(2**63)]),
    ],
    ids=str,
)
def test_bad_geometry(params: dict[str, Any], mentions: list[str]) -> None:
    assert_same_error(lambda: op.forward(X, **params), lambda: avg_pool2d(torch.from_numpy(X), **params), *mentions)


@pytest.mark.parametrize("shape", [(1, 2, 3, 5, 5), (2, 0, 5, 5), (2, 3, 0, 5)], ids=str)
def test_bad_shape(shape: tuple[int, ...]) -> None:
    x = np.zeros(shape, np.float32)
    assert_same_error(
        lambda: op.forward(x, kernel_size=2), lambda: avg_pool2d(torch.from_numpy(x), kernel_size=2), str(shape)
    )


def test_bad_dtype() -> None:
    with pytest.raises(NotImplementedError, match=r"bool.*\(2, 3, 5, 5\)"):
        op.forward(X > 0, kernel_size=2)

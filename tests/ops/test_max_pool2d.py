from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given

from scratchconv.ops import max_pool2d as op
from tests.ops.beside_torch import assert_directional_derivative, assert_same_error, by_torch, forward_backward
from tests.strategies import LAYOUTS, PoolGeometry, dtypes, layouts, pool_geometries

max_pool2d = torch.nn.functional.max_pool2d
X = np.arange(2 * 3 * 5 * 5, dtype=np.float32).reshape(2, 3, 5, 5)


def distinct(shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    """Numbers that differ by at least 0.01, in random order: a small step changes no winner."""
    return 0.01 * np.random.default_rng(0).permutation(int(np.prod(shape))).reshape(shape).astype(dtype)


@given(geometry=pool_geometries(), dtype=dtypes, layout=layouts, dy_layout=layouts)
def test_equals_torch_in_any_memory(geometry: PoolGeometry, dtype: Any, layout: str, dy_layout: str) -> None:
    # The kernels' tests have the cases that torch gets wrong; here each window has a tap, its distance being 1 or 2.
    if 0 in geometry.x_shape or min(geometry.x_shape[2:]) < 4:
        geometry = geometry._replace(x_shape=(2, geometry.x_shape[1], 9, 10))
    x = LAYOUTS[layout](np.random.default_rng(0).integers(-2, 3, geometry.x_shape).astype(dtype))
    y_shape = max_pool2d(torch.zeros(geometry.x_shape), **geometry.params).shape
    dy = LAYOUTS[dy_layout](np.random.default_rng(1).integers(-4, 5, y_shape).astype(dtype))
    y, (dx,) = forward_backward(op, [x], dy, **geometry.params)
    wanted_y, (wanted_dx,) = by_torch(max_pool2d, [x], dy, **geometry.params)
    assert y.dtype == dx.dtype == dtype
    np.testing.assert_array_equal(y, wanted_y)
    np.testing.assert_array_equal(dx, wanted_dx)  # sums of small integers are exact


def test_result_lies_channels_last() -> None:
    y, saved = op.forward(X, kernel_size=2)
    (dx,) = op.backward(saved, np.ones_like(y), (True,))
    for array in (y, dx):
        assert array.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("shape", [(3, 5, 6), (0, 3, 5, 6)], ids=["one image", "empty batch"])
def test_batch_dimension(shape: tuple[int, ...]) -> None:
    x = distinct(shape)
    y, (dx,) = forward_backward(op, [x], kernel_size=(2, 3), stride=1)
    wanted_y, (wanted_dx,) = by_torch(max_pool2d, [x], kernel_size=(2, 3), stride=1)
    np.testing.assert_array_equal(y, wanted_y)
    np.testing.assert_array_equal(dx, wanted_dx)
    assert dx.shape == shape


@pytest.mark.parametrize(
    "params",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": (3, 2), "stride": (1, 2), "dilation": (2, 1), "ceil_mode": True},
    ],
    ids=str,
)
def test_directional_derivative(params: dict[str, Any]) -> None:
    assert_directional_derivative(op, [distinct((2, 5, 7, 8))], **params)


def test_gradient_is_none_where_it_is_not_needed() -> None:
    y, saved = op.forward(X, kernel_size=2)
    assert op.backward(saved, y, (False,)) == (None,)


@pytest.mark.parametrize(
    ("params", "mentions"),
    [
        ({"kernel_size": 2.0}, ["2.0"]),
        ({"kernel_size": True}, ["True"]),
        ({"kernel_size": None}, ["None"]),
        ({"kernel_size": (2, 2, 2)}, ["(2, 2, 2)"]),
        ({"kernel_size": 0}, ["kernel_size", "(0, 0)"]),
        ({"kernel_size": 2, "stride": 0}, ["stride", "(0, 0)"]),
        ({"kernel_size": 2, "stride": (1, -1)}, ["stride", "(1, -1)"]),
        ({"kernel_size": 2, "padding": -1}, ["padding", "(-1, -1)"]),
        ({"kernel_size": 3, "padding": 2}, ["half", "(3, 3)", "(2, 2)"]),
        ({"kernel_size": 2, "padding": 2, "dilation": 3}, ["half", "(2, 2)"]),
        ({"kernel_size": 2, "dilation": 0}, ["dilation", "(0, 0)"]),
        ({"kernel_size": 2, "ceil_mode": 1}, ["ceil_mode", "1"]),
        ({"kernel_size": 7}, ["(2, 3, 5, 5)", "(7, 7)", "(0, 0)"]),
        ({"kernel_size": 3, "dilation": (1, 3)}, ["(2, 3, 5, 5)", "(1, 3)", "(1, 0)"]),
    ],
    ids=str,
)
def test_bad_geometry(params: dict[str, Any], mentions: list[str]) -> None:
    assert_same_error(
        lambda: op.forward(X, **params),
        lambda: max_pool2d(torch.from_numpy(X), **params),
        *mentions,
    )


@pytest.mark.parametrize("shape", [(5, 5), (1, 2, 3, 5, 5), (2, 0, 5, 5), (2, 3, 0, 5)], ids=str)
def test_bad_shape(shape: tuple[int, ...]) -> None:
    x = np.zeros(shape, np.float32)
    assert_same_error(
        lambda: op.forward(x, kernel_size=2), lambda: max_pool2d(torch.from_numpy(x), kernel_size=2), str(shape)
    )


def test_bad_dtype() -> None:
    with pytest.raises(NotImplementedError, match=r"bool.*\(2, 3, 5, 5\)"):
        op.forward(X > 0, kernel_size=2)

"""conv2d beside PyTorch: any geometry, memory layouts, special values and mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from tests.parity.checks import Expression, assert_exact, assert_parity, assert_same_error, integers, normal
from tests.strategies import ConvGeometry, conv_geometries


def conv2d(**params) -> Expression:
    return lambda lib, x, w, *b: lib.nn.functional.conv2d(x, w, *b, **params)


@given(conv_geometries())
def test_any_geometry(g: ConvGeometry) -> None:
    fn = conv2d(**g.params)
    assert_parity(fn, normal(1, *g.x_shape), normal(2, *g.w_shape), normal(3, g.w_shape[0]))
    assert_exact(fn, integers(1, *g.x_shape), integers(2, *g.w_shape), integers(3, g.w_shape[0]))


def test_without_bias_and_without_batch() -> None:
    assert_parity(conv2d(padding=1), normal(1, 2, 3, 6, 7), normal(2, 5, 3, 3, 3))
    assert_parity(conv2d(padding=1), normal(1, 3, 6, 7), normal(2, 5, 3, 3, 3), normal(3, 5))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")  # PyTorch's, about its speed
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel", [(3, 3), (2, 4), (1, 5)])
def test_padding_by_name(padding: str, kernel: tuple[int, int]) -> None:
    fn = conv2d(padding=padding, dilation=(1, 2))
    assert_parity(fn, normal(1, 2, 3, 9, 11), normal(2, 4, 3, *kernel), normal(3, 4))


LAYOUTS: dict[str, Expression] = {
    "permuted": lambda x: x.permute(0, 3, 1, 2),
    "every other pixel": lambda x: x.permute(0, 3, 1, 2)[:, :, ::2, 1::2],
    "some channels": lambda x: x.permute(0, 3, 1, 2)[:, 2:7],
    "one image for all": lambda x: x.permute(0, 3, 1, 2)[:1].expand(3, 8, 9, 10),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_inputs_that_are_views(layout: str) -> None:
    channels = 5 if layout == "some channels" else 8

    def fn(lib, x, w):
        return lib.nn.functional.conv2d(LAYOUTS[layout](x), w.permute(3, 0, 1, 2), padding=1)

    assert_parity(fn, normal(1, 3, 9, 10, 8), normal(2, channels, 3, 3, 6))
    assert_exact(fn, integers(1, 3, 9, 10, 8), integers(2, channels, 3, 3, 6))


def test_the_gradient_may_be_a_view() -> None:
    def fn(lib, x, w):
        return lib.nn.functional.conv2d(x, w).permute(1, 0, 3, 2)[::2]

    assert_parity(fn, normal(1, 2, 3, 7, 8), normal(2, 6, 3, 3, 3))


def test_nan_and_infinity_stay_where_they_belong() -> None:
    x = integers(1, 1, 2, 9, 9)
    x[0, 1, 2, 3], x[0, 0, 7, 7] = np.nan, np.inf
    assert_exact(conv2d(padding=1), x, np.abs(integers(2, 3, 2, 3, 3)) + 1)


@pytest.mark.parametrize(
    ("x", "w", "params"),
    [
        ((2, 3, 5, 5), (4, 2, 3, 3), {}),  # channels differ
        ((2, 3, 5, 5), (4, 3, 7, 3), {}),  # kernel larger than the image
        ((2, 3, 5, 5), (4, 3, 3, 3), {"dilation": 3}),  # or made so by dilation
        ((2, 4, 5, 5), (5, 2, 3, 3), {"groups": 2}),  # five filters in two groups
        ((2, 3, 5, 5), (4, 3, 3, 3), {"groups": 2}),
        ((3, 5), (4, 3, 3, 3), {}),
        ((2, 3, 5, 5), (4, 3, 3), {}),
    ],
)
def test_wrong_shapes_are_named(x: tuple[int, ...], w: tuple[int, ...], params: dict[str, int]) -> None:
    assert_same_error(conv2d(**params), normal(1, *x), normal(2, *w), mentions=(str(x), str(w)))


@pytest.mark.parametrize("params", [{"stride": 0}, {"padding": -1}, {"dilation": 0}, {"stride": (1, 2, 3)}])
def test_wrong_window_parameters_are_named(params: dict[str, object]) -> None:
    assert_same_error(conv2d(**params), normal(1, 2, 3, 5, 5), normal(2, 4, 3, 3, 3), mentions=tuple(params))


def test_wrong_types_are_refused() -> None:
    assert_same_error(conv2d(stride=1.5), normal(1, 2, 3, 5, 5), normal(2, 4, 3, 3, 3), mentions=("1.5",))

    def mixed(lib, x, w):
        return lib.nn.functional.conv2d(x, w.to(lib.float64))

    assert_same_error(mixed, normal(1, 2, 3, 5, 5), normal(2, 4, 3, 3, 3), mentions=("float32", "float64"))


def test_bias_of_the_wrong_length() -> None:
    arrays = normal(1, 2, 3, 5, 5), normal(2, 4, 3, 3, 3), normal(3, 3)
    assert_same_error(conv2d(), *arrays, mentions=("(3,)",))

"""max_pool2d and avg_pool2d beside PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.kernels.pooling import every_window_has_a_tap
from tests.parity.checks import Expression, Named, assert_exact, assert_parity, assert_same_error, integers, normal
from tests.strategies import PoolGeometry, pool_geometries


def pool(op: str, **params) -> Expression:
    return lambda lib, x: getattr(lib.nn.functional, op)(x, **params)


@given(pool_geometries())
def test_max_pool_any_geometry(g: PoolGeometry) -> None:
    assume(every_window_has_a_tap(g))

    def sizes(truth: Named, *rest: object) -> Named:
        """A pixel collects the gradient of at most one window for each place it has in a window."""
        return {"y": np.abs(truth["y"]), "dx0": np.full(g.x_shape, float(np.prod(g.params["kernel_size"])))}

    assert_parity(pool("max_pool2d", **g.params), normal(1, *g.x_shape), magnitude=sizes)


@given(pool_geometries())
def test_max_pool_ties_go_to_the_first(g: PoolGeometry) -> None:
    assume(every_window_has_a_tap(g))
    assert_exact(pool("max_pool2d", **g.params), integers(1, *g.x_shape, low=0, high=1))


@given(pool_geometries(dilation=False), st.booleans())
def test_avg_pool_any_geometry(g: PoolGeometry, count_include_pad: bool) -> None:
    assert_parity(pool("avg_pool2d", **g.params, count_include_pad=count_include_pad), normal(1, *g.x_shape))


def test_avg_pool_by_a_power_of_two_is_exact() -> None:
    assert_exact(pool("avg_pool2d", kernel_size=(2, 4), stride=(2, 3)), integers(1, 2, 5, 8, 9))
    assert_exact(pool("avg_pool2d", kernel_size=3, padding=1, divisor_override=2), integers(1, 2, 5, 8, 9))


def test_nan_wins_and_infinity_is_a_value() -> None:
    x = integers(1, 1, 3, 8, 8)
    x[0, 0, 3, 3], x[0, 1, 0, 0], x[0, 2] = np.nan, -np.inf, -np.inf
    for padding in (0, 1):
        assert_exact(pool("max_pool2d", kernel_size=3, stride=2, padding=padding), x)


@pytest.mark.parametrize("op", ["max_pool2d", "avg_pool2d"])
def test_views_and_single_images(op: str) -> None:
    assert_parity(pool(op, kernel_size=2), normal(1, 5, 9, 7))

    def views(lib, x):
        return getattr(lib.nn.functional, op)(x.permute(0, 3, 1, 2)[:, 1:4, ::2], 2).permute(3, 2, 1, 0)[1:]

    assert_parity(views, normal(1, 2, 11, 8, 5))


@pytest.mark.parametrize("op", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize(
    ("shape", "params", "mentions"),
    [
        ((2, 3, 5, 5), {"kernel_size": 6}, ("(2, 3, 5, 5)", "6")),
        ((2, 3, 5, 5), {"kernel_size": 3, "padding": 2}, ("padding", "3", "2")),
        ((2, 3, 5, 5), {"kernel_size": 3, "stride": 0}, ("stride", "0")),
        ((2, 3, 5, 5), {"kernel_size": 0}, ("kernel_size", "0")),
        ((2, 3, 5, 5), {"kernel_size": 3, "padding": -1}, ("padding", "-1")),
    ],
)
def test_mistakes_are_named(op: str, shape: tuple[int, ...], params: dict[str, int], mentions: tuple[str, ...]) -> None:
    assert_same_error(pool(op, **params), normal(1, *shape), mentions=mentions)


def test_max_pool_needs_an_image() -> None:
    # avg_pool2d is left out: PyTorch fails there by accident, with the IndexError of a size it looks up.
    assert_same_error(pool("max_pool2d", kernel_size=2), normal(1, 5, 5), mentions=("(5, 5)",))

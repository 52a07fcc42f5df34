"""scratchconv.nn.functional.conv2d beside PyTorch's."""

from __future__ import annotations

from hypothesis import given

from tests.parity.checks import assert_exact, assert_parity, integers, normal
from tests.strategies import ConvGeometry, conv_geometries


def conv2d(**params):
    return lambda lib, x, w, *b: lib.nn.functional.conv2d(x, w, *b, **params)


@given(conv_geometries())
def test_any_geometry(g: ConvGeometry) -> None:
    assert_parity(conv2d(**g.params), normal(1, *g.x_shape), normal(2, *g.w_shape), normal(3, g.w_shape[0]))


@given(conv_geometries())
def test_whole_numbers_exactly(g: ConvGeometry) -> None:
    assert_exact(conv2d(**g.params), integers(1, *g.x_shape), integers(2, *g.w_shape), integers(3, g.w_shape[0]))

"""Fused convolutions: what they read, what they finish and what they receive, against the same steps one by one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchconv import backends
from scratchconv.ops import batch_norm, conv2d, elementwise, fused_conv, max_pool2d
from scratchconv.ops.fused_conv import Gradient, Reading, Selection, Target
from tests.kernels.conv2d.problem import small_work_items
from tests.ops.fused import (
    GRADIENTS,
    READINGS,
    TARGETS,
    Array,
    Layer,
    activation,
    convolve,
    gradient_of_y,
    layer_of,
    nchw,
    windows,
)
from tests.strategies import ConvGeometry, conv_geometries

# Relative to the largest element of a result. Float64: sums of up to a thousand terms, whose roundings walk at random;
# the largest numbers in Winograd's transforms are near ten. Float32: the same in epsilons 5e8 times as large, and again
# as a factor of 20 at most for the fast tiles. A lost or misplaced term is an error of 1e-2 and more.
TOLERANCE = {np.float64: 1e-12, np.float32: 5e-5}

LAYERS: dict[str, ConvGeometry] = {
    "winograd 3x3": ConvGeometry(3, (9, 10), 16, (3, 3), 17, padding=(1, 1)),
    "winograd 5x5": ConvGeometry(2, (14, 13), 16, (5, 5), 32, padding=(2, 2)),
    "rows": ConvGeometry(2, (7, 20), 3, (3, 3), 8, padding=(1, 1)),
    "winograd, stride 2": ConvGeometry(3, (9, 14), 16, (3, 3), 32, stride=(2, 2), padding=(1, 1)),
    "direct, stride 2": ConvGeometry(3, (9, 8), 5, (3, 3), 20, stride=(2, 2), padding=(1, 1)),
    "direct, unread pixels": ConvGeometry(2, (8, 9), 16, (1, 1), 20, stride=(3, 2)),
    "direct, groups": ConvGeometry(2, (6, 7), 4, (3, 3), 6, padding=(1, 1), groups=2),
}
layers = pytest.mark.parametrize("layer", LAYERS)
dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    backends.conv.algorithm, backends.conv.precision = "auto", "exact"


def assert_close(found: Array | None, wanted: Array, dtype: type) -> None:
    assert found is not None
    assert found.shape == wanted.shape
    size = max(1.0, float(np.abs(wanted).max(initial=0)))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE[dtype] * size)


def check_forward(make: Layer, kind: str) -> None:
    """y, statistics, selection and the stored activation."""
    stored = make.room(*make.x) if "skip" in kind else None
    reading, w, b = make.reading(kind, stored), make.draw(*make.w), make.draw(make.g.filters)
    y, slope = make.room(*make.y), make.rng.random(make.g.filters) - 0.5
    selected = make.room(*windows(y).max((2, 4)).shape)
    statistics = fused_conv.forward(
        reading, w, b, make.geometry, y, statistics=True, selection=Selection(selected, slope)
    )
    a = activation(reading)
    assert_close(y, convolve(a, w, b, make.g)[0], make.dtype)
    assert statistics is not None
    exact = y.astype(np.float64)
    if y.size:
        assert_close(statistics[0], exact.mean((0, 1, 2)), make.dtype)
        assert_close(statistics[1], exact.var((0, 1, 2)), make.dtype)
    np.testing.assert_array_equal(selected, np.where(slope >= 0, windows(y).max((2, 4)), windows(y).min((2, 4))))
    if stored is not None:
        assert_close(stored, a, make.dtype)
    again = make.room(*make.y)
    assert fused_conv.forward(reading._replace(out=None), w, b, make.geometry, again) is None
    np.testing.assert_array_equal(again, y)


def check_backward(make: Layer, read: str, given: str, target_kind: str) -> None:
    """dw, the gradient before the ReLU, and its sums."""
    reading, gradient, w = make.reading(read), make.gradient(given), make.draw(*make.w)
    stored = None
    if "skip" in read:  # what has a skip is stored by forward, and read again
        stored = make.room(*make.x)
        fused_conv.read(reading, stored)
        reading = Reading(stored)
    target, dw = make.target(target_kind, reading, stored), make.room(*make.w)
    sums = fused_conv.backward(reading, gradient, w, make.geometry, dw=dw, target=target)
    a = activation(reading)
    _, saved = convolve(a, w, None, make.g)
    dx, dw_wanted = conv2d.backward(saved, nchw(gradient_of_y(gradient)), (True, True))
    assert dx is not None
    assert dw_wanted is not None
    assert_close(dw, dw_wanted.transpose(2, 3, 1, 0), make.dtype)
    g = dx.transpose(0, 2, 3, 1) + (0 if target.extra is None else target.extra)
    g = g if read == "plain" else np.where(a > 0, g, 0)
    assert_close(target.g, g, make.dtype)
    assert (sums is None) == (target.z is None)
    if sums is not None and target.z is not None:
        pairs = [(sums.g, np.ones_like(g)), (sums.gz, target.z - target.mean)]
        pairs += [] if target.z2 is None else [(sums.gz2, target.z2 - target.mean2)]
        assert (sums.gz2 is None) == (target.z2 is None)
        for found, factor in pairs:
            terms = g * factor
            scale = np.abs(terms).sum((0, 1, 2)) + 1  # the terms cancel
            assert_close(found / scale, terms.sum((0, 1, 2)) / scale, make.dtype)


@dtypes
@layers
def test_forward_of_every_reading(layer: str, dtype: type) -> None:
    for kind in READINGS:
        check_forward(layer_of(LAYERS[layer], dtype), kind)


@dtypes
@layers
def test_backward_of_every_reading_gradient_and_target(layer: str, dtype: type) -> None:
    for kinds in product(READINGS, GRADIENTS, TARGETS):
        check_backward(layer_of(LAYERS[layer], dtype), *kinds)


@given(conv_geometries(), st.sampled_from(READINGS), st.sampled_from(GRADIENTS), st.sampled_from(TARGETS))
def test_any_geometry(g: ConvGeometry, read: str, given: str, target: str) -> None:
    make = layer_of(g, np.float64)
    check_forward(make, read)
    check_backward(make, read, given, target)


@pytest.mark.parametrize("layer", ["winograd 3x3", "rows", "winograd, stride 2", "direct, stride 2"])
def test_work_cut_into_many_items(layer: str) -> None:
    """Strips have an even number of rows, so that no window of a pooling is cut."""
    with small_work_items(pixels=30, block_bytes=200):
        for kind in READINGS:
            check_forward(layer_of(LAYERS[layer], np.float64), kind)
        check_backward(layer_of(LAYERS[layer], np.float64), "activation", "pooled", "two sums")
        check_backward(layer_of(LAYERS[layer], np.float64), "skip", "batch norm", "extra and sums")


@pytest.mark.parametrize("algorithm", ["naive", "im2col", "direct", "rows", "winograd"])
@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_named_algorithms(algorithm: Any, precision: Any) -> None:
    """Those that read plain arrays only leave the work to direct."""
    backends.conv.algorithm, backends.conv.precision = algorithm, precision
    for layer in ("winograd 3x3", "rows", "direct, stride 2"):
        make = layer_of(LAYERS[layer], np.float64)
        check_forward(make, "skip affine")
        check_backward(make, "activation", "batch norm", "two sums")


def test_equal_parts_alone_are_what_backward_writes_together() -> None:
    make = layer_of(LAYERS["winograd 3x3"], np.float64)
    reading, gradient, w = make.reading("activation"), make.gradient("batch norm"), make.draw(*make.w)
    dw, both, target = make.room(*make.w), make.room(*make.w), make.target("sums", reading, None)
    assert fused_conv.backward(reading, gradient, w, make.geometry, dw=dw) is None
    sums = fused_conv.backward(reading, gradient, w, make.geometry, dw=both, target=target)
    # Together they share the transforms of dy, and so the tiles of dx: other roundings of sums of some hundred terms.
    np.testing.assert_allclose(dw, both, rtol=0, atol=1e-13 * float(np.abs(both).max()))
    dx = make.room(*make.x)
    fused_conv.backward(Reading(reading.z), gradient, w, make.geometry, target=Target(dx))
    apart = target._replace(g=make.room(*make.x))
    received = fused_conv.receive(reading, dx, apart)
    np.testing.assert_array_equal(apart.g, target.g)
    assert sums is not None
    assert received is not None
    for a, b in zip(sums[:2], received[:2], strict=True):  # the same terms in work items of other sizes
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)
    again = fused_conv.receive(reading, dx, apart._replace(g=dx))
    assert again is not None
    np.testing.assert_array_equal(again[:2], received[:2])
    np.testing.assert_array_equal(dx, apart.g)  # in place


EPS = 1e-5


def norm(y: Array, gamma: Array, beta: Array) -> tuple[Array, Any]:
    result, saved = batch_norm.forward(
        y, gamma, beta, running_mean=None, running_var=None, training=True, momentum=0.1, eps=EPS
    )[:2]
    return result, saved


@pytest.mark.parametrize("layer", ["winograd 3x3", "rows", "winograd, stride 2", "direct, stride 2"])
@pytest.mark.parametrize("pooled", [False, True])
def test_a_whole_block_equals_its_operations_one_by_one(layer: str, pooled: bool) -> None:
    """conv, BatchNorm, ReLU and pooling, forward and backward, with the algebra of README, section 10."""
    make = layer_of(LAYERS[layer], np.float64)
    x, w, b = make.draw(*make.x), make.draw(*make.w), make.draw(make.g.filters)
    gamma, beta = make.draw(2, make.g.filters)  # some gammas are negative: there pooling has to take the smallest
    # One by one, channels first.
    y, of_conv = convolve(x, w, b, make.g)
    normed, of_norm = norm(nchw(y), gamma, beta)
    r, of_relu = elementwise.RELU.forward(normed)
    p, of_pool = max_pool2d.forward(r, kernel_size=2) if pooled else (r, None)
    dp = make.draw(*p.shape)
    dr = max_pool2d.backward(of_pool, dp, (True,))[0] if pooled else dp
    (dnormed,) = elementwise.RELU.backward(of_relu, dr, (True,))
    dy, dgamma, dbeta = batch_norm.backward(of_norm, dnormed, (True, True, True))
    dx, dw = conv2d.backward(of_conv, dy, (True, True))
    # Fused, channels last.
    fused = make.room(*make.y)
    selected = make.room(*windows(fused).max((2, 4)).shape) if pooled else None
    selection = None if selected is None else Selection(selected, gamma)
    statistics = fused_conv.forward(Reading(x), w, b, make.geometry, fused, statistics=True, selection=selection)
    assert statistics is not None
    mean, var = statistics
    istd = 1 / np.sqrt(var + EPS)
    scale, shift = gamma * istd, beta - gamma * istd * mean
    seen = fused if selected is None else selected
    assert_close(np.maximum(0, seen * scale + shift), p.transpose(0, 2, 3, 1), np.float64)
    g = np.where(seen * scale + shift > 0, dp.transpose(0, 2, 3, 1), 0)
    sum_g, sum_gy = g.sum((0, 1, 2)), (g * (seen - mean)).sum((0, 1, 2))
    assert_close(sum_g, dbeta, np.float64)
    assert_close(sum_gy * istd, dgamma, np.float64)
    count = fused[..., 0].size
    gradient = Gradient(g, fused, scale, -scale * istd**2 * sum_gy / count, mean, -scale * sum_g / count, selected)
    target, dw_found = Target(make.room(*make.x)), make.room(*make.w)
    fused_conv.backward(Reading(x), gradient, w, make.geometry, dw=dw_found, target=target)
    assert_close(target.g, dx.transpose(0, 2, 3, 1), np.float64)
    assert_close(dw_found, dw.transpose(2, 3, 1, 0), np.float64)

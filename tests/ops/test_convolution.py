"""Which algorithm computes a convolution."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from scratchconv import backends, simd
from scratchconv.kernels.conv2d import depthwise, direct, im2col, naive, rows, winograd
from scratchconv.ops import _convolution
from scratchconv.ops._convolution import Geometry
from tests.strategies import ConvGeometry

ONE = (1, 1)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    backends.conv.algorithm = "auto"
    backends.conv.precision = "exact"


def choices(g: ConvGeometry, dtype: type = np.float32) -> tuple[str, str]:
    """The algorithms of forward and of the input gradient."""
    w = (*g.kernel, g.channels // g.groups, g.filters)
    geometry = Geometry(g.stride, g.padding, g.dilation, g.groups)
    results = ((g.batch, *g.out, g.filters), (g.batch, *g.size, g.channels))
    modules = (_convolution.choose(w, geometry, np.broadcast_to(dtype(0), shape)) for shape in results)
    forward, backward = (module.__name__.split(".")[-1] for module in modules)
    return forward, backward


# The layers of the models, and the edges of what an algorithm takes.
TABLE: dict[str, tuple[ConvGeometry, tuple[str, str]]] = {
    "CNN, first": (ConvGeometry(64, (28, 28), 1, (5, 5), 16, ONE, (2, 2)), ("rows", "rows")),
    "CNN, second": (ConvGeometry(64, (14, 14), 16, (5, 5), 32, ONE, (2, 2)), ("winograd", "winograd")),
    "ResNet, stem": (ConvGeometry(64, (32, 32), 3, (3, 3), 16, ONE, ONE), ("rows", "rows")),
    "ResNet, 16": (ConvGeometry(64, (32, 32), 16, (3, 3), 16, ONE, ONE), ("winograd", "winograd")),
    "ResNet, 64": (ConvGeometry(64, (8, 8), 64, (3, 3), 64, ONE, ONE), ("winograd", "winograd")),
    "ResNet, downsampling": (ConvGeometry(64, (32, 32), 16, (3, 3), 32, (2, 2), ONE), ("winograd", "winograd")),
    "downsampling, other padding": (ConvGeometry(64, (32, 32), 16, (3, 3), 32, (2, 2)), ("winograd", "winograd")),
    "downsampling, dilated": (ConvGeometry(64, (32, 32), 16, (3, 3), 32, (2, 2), (2, 2), (2, 2)), ("direct", "direct")),
    "strides that differ": (ConvGeometry(64, (32, 32), 16, (3, 3), 32, (2, 1), ONE), ("direct", "direct")),
    "downsampling, few channels": (ConvGeometry(64, (32, 32), 3, (3, 3), 32, (2, 2), ONE), ("direct", "direct")),
    "downsampling, few pixels": (ConvGeometry(4, (14, 14), 16, (3, 3), 32, (2, 2), ONE), ("direct", "winograd")),
    "downsampling, half a vector": (ConvGeometry(64, (32, 32), 24, (3, 3), 48, (2, 2), ONE), ("direct", "winograd")),
    "downsampling, 128": (ConvGeometry(64, (32, 32), 128, (3, 3), 128, (2, 2), ONE), ("winograd", "winograd")),
    "downsampling, 256": (ConvGeometry(64, (32, 32), 128, (3, 3), 256, (2, 2), ONE), ("direct", "direct")),
    "1x1": (ConvGeometry(64, (32, 32), 16, ONE, 32), ("direct", "direct")),
    "dilation": (ConvGeometry(64, (32, 32), 16, (3, 3), 16, ONE, (2, 2), (2, 2)), ("dilated", "dilated")),
    "dilation, other padding": (ConvGeometry(64, (32, 32), 16, (3, 3), 16, ONE, ONE, (2, 2)), ("direct", "direct")),
    "dilation, small phases": (ConvGeometry(64, (32, 32), 16, (3, 3), 16, ONE, (9, 9), (9, 9)), ("direct", "direct")),
    "groups": (ConvGeometry(64, (32, 32), 16, (3, 3), 16, ONE, ONE, ONE, 2), ("direct", "direct")),
    "depthwise": (ConvGeometry(64, (32, 32), 16, (3, 3), 16, ONE, ONE, ONE, 16), ("depthwise", "depthwise")),
    "two filters a channel": (ConvGeometry(64, (32, 32), 16, (3, 3), 32, ONE, ONE, ONE, 16), ("direct", "direct")),
    "few pixels": (ConvGeometry(3, (8, 8), 64, (3, 3), 64, ONE, ONE), ("direct", "direct")),
    "few channels, narrow": (ConvGeometry(64, (12, 6), 3, (3, 3), 16, ONE, ONE), ("direct", "direct")),
    "few channels forward only": (ConvGeometry(64, (32, 32), 3, (3, 3), 64, ONE, ONE), ("direct", "rows")),
    "one column of taps": (ConvGeometry(64, (32, 32), 3, (3, 1), 16, ONE, (1, 0)), ("direct", "direct")),
    "many channels, 3x3": (ConvGeometry(64, (8, 8), 512, (3, 3), 512, ONE, ONE), ("winograd", "winograd")),
    "many channels, few pixels": (ConvGeometry(2, (14, 14), 512, (3, 3), 512, ONE, ONE), ("direct", "direct")),
    "stride 2, many channels": (ConvGeometry(4, (28, 28), 256, (3, 3), 256, (2, 2), ONE), ("direct", "direct")),
    # Sums over 64 channels are too long for the exact 5x5 tiles, those over 32 filters are not.
    "many channels, 5x5": (ConvGeometry(64, (8, 8), 64, (5, 5), 32, ONE, (2, 2)), ("direct", "winograd")),
    "nothing": (ConvGeometry(0, (32, 32), 16, (3, 3), 16, ONE, ONE), ("direct", "direct")),
}


@pytest.mark.skipif(simd.lanes(np.float32) != 16, reason="few channels are those of one vector")
@pytest.mark.parametrize("name", TABLE)
def test_each_layer_has_its_algorithm(name: str) -> None:
    g, wanted = TABLE[name]
    if name == "nothing":  # rows has no objection to an empty batch
        wanted = ("rows", "rows")
    assert choices(g) == wanted


def test_float64_has_half_the_lanes() -> None:
    wide = ConvGeometry(64, (32, 32), 3, (3, 3), simd.lanes(np.float32), ONE, ONE)
    assert choices(wide)[0] == "rows"
    assert choices(wide, np.float64)[0] == "direct"


def test_fast_tiles_are_for_any_number_of_channels() -> None:
    g = TABLE["many channels, 5x5"][0]
    backends.conv.precision = "fast"
    assert choices(g) == ("winograd", "winograd")


@pytest.mark.parametrize(("channels", "wanted"), [(64, "winograd"), (128, "direct")])
def test_the_weight_gradient_of_many_channels_is_direct(channels: int, wanted: str) -> None:
    dy, geometry = np.broadcast_to(np.float32(0), (4, 28, 28, channels)), Geometry(ONE, ONE, ONE, 1)
    module = _convolution.choose_weight_grad((3, 3, channels, channels), geometry, dy)
    assert module.__name__.endswith(wanted)
    backends.conv.algorithm = "winograd"
    assert _convolution.choose_weight_grad((3, 3, channels, channels), geometry, dy) is winograd


def test_the_weight_gradient_of_stride_2_is_winograds_beside_the_input_gradient() -> None:
    dy, geometry = np.broadcast_to(np.float32(0), (64, 16, 16, 32)), Geometry((2, 2), ONE, ONE, 1)
    assert _convolution.choose_weight_grad((3, 3, 16, 32), geometry, dy) is direct
    assert _convolution.choose_weight_grad((3, 3, 16, 32), geometry, dy, alone=False) is winograd


NAMED: dict[str, tuple[str, str]] = {
    "CNN, first": ("rows", "winograd"),
    "ResNet, downsampling": ("direct", "winograd"),
    "depthwise": ("direct", "direct"),
    "few pixels": ("direct", "winograd"),
    "1x1": ("direct", "direct"),
}


@pytest.mark.parametrize("layer", NAMED)
def test_a_named_algorithm_computes_what_it_can_and_direct_the_rest(layer: str) -> None:
    g, _ = TABLE[layer]
    for name, wanted in zip(("rows", "winograd"), NAMED[layer], strict=True):
        backends.conv.algorithm = name  # type: ignore[assignment]
        if simd.lanes(np.float32) == 16 or name == "winograd":
            assert choices(g)[0] == wanted
    for name in ("naive", "im2col", "direct"):
        backends.conv.algorithm = name  # type: ignore[assignment]
        assert choices(g) == (name, name)


MODULES: tuple[ModuleType, ...] = (naive, im2col, direct, rows, winograd, depthwise)


@pytest.mark.parametrize("algorithm", ["naive", "im2col", "direct", "rows", "winograd", "auto"])
@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_the_chosen_one_runs(algorithm: Any, precision: Any) -> None:
    backends.conv.algorithm, backends.conv.precision = algorithm, precision
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((2, 9, 18, 3)), rng.standard_normal((3, 3, 3, 5)), rng.standard_normal(5)
    dy = rng.standard_normal((2, 9, 18, 5))
    geometry = Geometry(ONE, ONE, ONE, 1)
    found = [np.full_like(like, np.nan) for like in (dy, x, w, b)]
    wanted = [np.full_like(like, np.nan) for like in (dy, x, w, b)]
    for module, results in ((_convolution, found), (naive, wanted)):
        how = (geometry,) if module is _convolution else geometry
        module.forward(x, w, b, *how, results[0])
        module.input_grad(dy, w, *how, results[1])
        module.weight_grad(x, dy, *how, results[2])
        module.bias_grad(dy, results[3])
    for a, b_ in zip(found, wanted, strict=True):
        # Sums of up to some hundred float64 terms near one; the largest numbers in the transforms are near ten.
        np.testing.assert_allclose(a, b_, rtol=0, atol=1e-11)


def test_the_bias_gradient_of_naive_is_naive(monkeypatch: pytest.MonkeyPatch) -> None:
    backends.conv.algorithm = "naive"
    monkeypatch.setattr(direct, "bias_grad", lambda *_: pytest.fail("not naive"))
    db = np.zeros(3, np.float32)
    _convolution.bias_grad(np.ones((1, 2, 2, 3), np.float32), db)
    assert db.tolist() == [4, 4, 4]

"""The convolution of arrays: memory layouts, what is asked of it, and mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scratchconv import backends
from scratchconv.kernels.conv2d import depthwise, direct, im2col, naive
from scratchconv.ops import conv2d
from tests.strategies import LAYOUTS, ConvGeometry, conv_geometries, layouts

Array = np.ndarray[Any, Any]
G = ConvGeometry(2, (6, 7), 4, (3, 2), 6, stride=(2, 1), padding=(1, 0), groups=2)


def arrays(g: ConvGeometry, dtype: type = np.float64) -> tuple[Array, Array, Array, Array]:
    """x, w, b and the gradient of y."""
    rng = np.random.default_rng(0)
    shapes = (g.x_shape, g.w_shape, (g.filters,), g.y_shape)
    x, w, b, dy = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    return x, w, b, dy


def by_torch(x: Array, w: Array, b: Array | None, dy: Array, **params: Any) -> tuple[Array, ...]:
    """y and the gradients of what was given."""
    leaves = [torch.from_numpy(a.copy()).requires_grad_() for a in (x, w, b) if a is not None]
    y = torch.nn.functional.conv2d(*leaves, **params)
    return y.detach().numpy(), *(d.numpy() for d in torch.autograd.grad(y, leaves, torch.from_numpy(dy.copy())))


def assert_same(found: Array | None, wanted: Array) -> None:
    assert found is not None
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    # Sums of up to some thousand float64 terms near 1: rounding stays below 1e-12; a missing term would be about 1.
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11)


@given(conv_geometries(), st.tuples(layouts, layouts, layouts))
def test_any_geometry_in_any_memory_layout(g: ConvGeometry, lies: tuple[str, str, str]) -> None:
    x, w, b, dy = arrays(g)
    given = [LAYOUTS[name](array) for name, array in zip(lies, (x, w, dy), strict=True)]
    y, saved = conv2d.forward(given[0], given[1], b, **g.params)
    gradients = conv2d.backward(saved, given[2], (True, True, True))
    for found, wanted in zip((y, *gradients), by_torch(x, w, b, dy, **g.params), strict=True):
        assert_same(found, wanted)
    for array, before in zip(given, (x, w, dy), strict=True):
        np.testing.assert_array_equal(array, before)


def test_results_lie_channels_last_and_pass_through_without_a_copy() -> None:
    x, w, b, _ = arrays(G, np.float32)
    y, _ = conv2d.forward(x, w, b, **G.params)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    again = np.zeros((3, y.shape[1], 1, 1), np.float32)
    _, saved = conv2d.forward(y, again, None)
    assert np.shares_memory(saved.x, y)
    dx, dw, _ = conv2d.backward(saved, np.ones((*y.shape[:1], 3, *y.shape[2:]), np.float32), (True, True, False))
    assert dx is not None
    assert dx.strides == y.strides
    assert dw is not None
    assert dw.transpose(2, 3, 1, 0).flags.c_contiguous


def test_bias_is_optional_and_the_batch_dimension_too() -> None:
    x, w, b, dy = arrays(G)
    for bias, single in product((None, b), (False, True)):
        image, gradient = (x[0], dy[0]) if single else (x, dy)
        y, saved = conv2d.forward(image, w, bias, **G.params)
        needs = (True, True) if bias is None else (True, True, True)
        results = (y, *conv2d.backward(saved, gradient, needs))
        for found, wanted in zip(results, by_torch(image, w, bias, gradient, **G.params), strict=True):
            assert_same(found, wanted)


@pytest.mark.parametrize("needs", list(product((False, True), repeat=3)))
def test_only_needed_gradients_are_computed(needs: tuple[bool, bool, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    x, w, b, dy = arrays(G)
    _, saved = conv2d.forward(x, w, b, **G.params)
    for function, needed in zip(("input_grad", "weight_grad", "bias_grad"), needs, strict=True):
        if not needed:
            monkeypatch.setattr(direct, function, lambda *_: pytest.fail("computed in vain"))
    gradients = conv2d.backward(saved, dy, needs)
    for found, wanted, needed in zip(gradients, by_torch(x, w, b, dy, **G.params)[1:], needs, strict=True):
        assert (found is not None) == needed
        if needed:
            assert_same(found, wanted)


def test_a_gradient_without_memory_of_its_own() -> None:
    """The gradient of a sum is one number seen from everywhere."""
    x, w, b, _ = arrays(G)
    _, saved = conv2d.forward(x, w, b, **G.params)
    dy = np.broadcast_to(np.float64(0.5), G.y_shape)
    for found, wanted in zip(
        conv2d.backward(saved, dy, (True, True, True)), by_torch(x, w, b, dy, **G.params)[1:], strict=True
    ):
        assert_same(found, wanted)


def test_read_only_arrays_are_taken() -> None:
    given = arrays(G)
    for array in given:
        array.flags.writeable = False
    x, w, b, dy = given
    y, saved = conv2d.forward(x, w, b, **G.params)
    for found, wanted in zip(
        (y, *conv2d.backward(saved, dy, (True, True, True))), by_torch(x, w, b, dy, **G.params), strict=True
    ):
        assert_same(found, wanted)


@given(conv_geometries())
def test_derivative_along_a_random_direction(g: ConvGeometry) -> None:
    """<dy, y(t)> is a polynomial of degree two in a step t of all inputs together: the central difference is exact."""
    x, w, b, dy = arrays(g)
    rng = np.random.default_rng(1)
    steps = [rng.standard_normal(array.shape) for array in (x, w, b)]

    def along(t: float) -> float:
        moved = [array + t * step for array, step in zip((x, w, b), steps, strict=True)]
        return float(np.sum(dy * conv2d.forward(*moved, **g.params)[0]))

    _, saved = conv2d.forward(x, w, b, **g.params)
    gradients = conv2d.backward(saved, dy, (True, True, True))
    slope = sum(float(np.sum(d * step)) for d, step in zip(gradients, steps, strict=True))
    # Both sides add the same few hundred thousand float64 products of size 1, which cancel: absolute rounding.
    assert abs((along(1) - along(-1)) / 2 - slope) < 1e-9


@pytest.fixture
def any_algorithm() -> Iterator[None]:
    yield
    backends.conv.algorithm = "auto"


@pytest.mark.usefixtures("any_algorithm")
def test_the_algorithm_is_the_one_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    for module in (naive, im2col, direct, depthwise):
        # Those that read sources are called by another door.
        entry = "run_forward" if hasattr(module, "run_forward") else "forward"
        original = getattr(module, entry)

        def spy(*arguments: Any, module: Any = module, original: Any = original, **options: Any) -> None:
            used.append(module.__name__.split(".")[-1])
            original(*arguments, **options)

        monkeypatch.setattr(module, entry, spy)
    separate = ConvGeometry(2, (6, 7), 16, (3, 2), 16, groups=16)
    for g, name in ((G, "auto"), (separate, "auto"), (G, "naive"), (separate, "im2col"), (separate, "direct")):
        backends.conv.algorithm = name  # type: ignore[assignment]
        x, w, b, dy = arrays(g)
        assert_same(conv2d.forward(x, w, b, **g.params)[0], by_torch(x, w, b, dy, **g.params)[0])
    assert used == ["direct", "depthwise", "naive", "im2col", "direct"]


X, W, B = (2, 4, 6, 7), (6, 2, 3, 2), (6,)
MISTAKES: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "channels": (((2, 3, 6, 7), W, B), {"groups": 2}),
    "filters and groups": ((X, (5, 2, 3, 2), (5,)), {"groups": 2}),
    "kernel too high": ((X, (6, 2, 7, 2), B), {"groups": 2}),
    "kernel too wide by dilation": ((X, W, B), {"groups": 2, "dilation": (1, 8)}),
    "no dimension for channels": (((6, 7), W, B), {"groups": 2}),
    "one dimension too many": (((1, *X), W, B), {"groups": 2}),
    "three-dimensional weight": ((X, W[1:], B), {"groups": 2}),
    "empty image": (((2, 4, 0, 7), W, B), {"groups": 2, "padding": 3}),
    "no filters": ((X, (0, 2, 3, 2), (0,)), {"groups": 2}),
    "bias too short": ((X, W, (5,)), {"groups": 2}),
    "bias of two dimensions": ((X, W, (6, 1)), {"groups": 2}),
    "groups of zero": ((X, W, B), {"groups": 0}),
    "groups below zero": ((X, W, B), {"groups": -2}),
}
WRONG_ARGUMENTS: list[dict[str, Any]] = [
    {"stride": 0},
    {"stride": (1, -1)},
    {"padding": -1},
    {"dilation": 0},
    {"stride": (1, 2, 3)},
    {"padding": ()},
    {"stride": 1.5},
    {"stride": True},
    {"stride": None},
    {"dilation": "1"},
    {"groups": 1.5},
    {"groups": None},
]


def refused(x: Array, w: Array, b: Array | None, params: dict[str, Any]) -> str:
    """Our message; the type of the error is PyTorch's for the same mistake."""
    given = [None if array is None else torch.from_numpy(array) for array in (x, w, b)]
    with pytest.raises((RuntimeError, TypeError, ValueError)) as theirs:
        torch.nn.functional.conv2d(*given, **params)
    with pytest.raises(theirs.type) as ours:
        conv2d.forward(x, w, b, **params)
    return str(ours.value)


@pytest.mark.parametrize("name", MISTAKES)
def test_wrong_shapes_are_told_with_the_geometry(name: str) -> None:
    shapes, params = MISTAKES[name]
    message = refused(*(np.zeros(shape, np.float32) for shape in shapes), params)
    for shape in shapes[:2]:
        assert str(shape) in message
    assert name not in ("bias too short", "bias of two dimensions") or str(shapes[2]) in message
    assert "dilation" not in params or str(params["dilation"]) in message


@pytest.mark.parametrize("params", WRONG_ARGUMENTS, ids=str)
def test_wrong_arguments_are_told_by_name_and_value(params: dict[str, Any]) -> None:
    x, w, b, _ = arrays(ConvGeometry(2, (6, 7), 4, (3, 2), 6), np.float32)
    message = refused(x, w, b, params)
    ((name, value),) = params.items()
    pair = (value, value) if isinstance(value, int) and not isinstance(value, bool) else value
    assert name in message
    assert repr(value) in message or repr(pair) in message


def test_mixed_dtypes_are_told_with_their_shapes() -> None:
    x, w, b, _ = arrays(ConvGeometry(2, (6, 7), 4, (3, 2), 6), np.float32)
    assert "weight float64 (6, 4, 3, 2)" in refused(x, w.astype(np.float64), b, {})
    assert "bias float64 (6,)" in refused(x, w, b.astype(np.float64), {})
    with pytest.raises(RuntimeError, match=r"input int64 \(2, 4, 6, 7\)"):  # PyTorch has a slow path for integers
        conv2d.forward(x.astype(np.int64), w.astype(np.int64), None)


def test_integers_of_numpy_are_integers() -> None:
    x, w, b, dy = arrays(G)
    params = {name: tuple(np.array(value)) if name != "groups" else np.int64(value) for name, value in G.params.items()}
    assert_same(conv2d.forward(x, w, b, **params)[0], by_torch(x, w, b, dy, **G.params)[0])


def test_a_stride_beyond_everything_gives_one_pixel() -> None:
    x, w, b, _ = arrays(ConvGeometry(1, (3, 4), 2, (2, 2), 3))
    y, saved = conv2d.forward(x, w, b, stride=2**40)
    dy = np.ones_like(y)
    for found, wanted in zip(
        (y, *conv2d.backward(saved, dy, (True, True, True))), by_torch(x, w, b, dy, stride=2**40), strict=True
    ):
        assert_same(found, wanted)

"""Stride 2 where test_conv2d does not reach: both gradients in one pass, images cut by real caches, what pays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scratchconv import simd
from scratchconv.kernels.conv2d import _block, _strided_backward, direct, naive, strided
from scratchconv.kernels.conv2d import _strided_plan as plan
from scratchconv.kernels.conv2d._source import plain
from tests.kernels.conv2d.problem import Array, Problem, assert_close, random_problem, run, small_work_items
from tests.kernels.threads import every_thread_count
from tests.strategies import ConvGeometry

LAYERS = {
    "whole vectors": ConvGeometry(3, (8, 16), 16, (3, 3), 32, (2, 2), (1, 1)),
    "tails and odd sizes": ConvGeometry(4, (9, 11), 19, (3, 3), 35, (2, 2), (1, 1)),
    "one pixel": ConvGeometry(1, (1, 1), 1, (3, 3), 1, (2, 2), (1, 1)),
    "nothing": ConvGeometry(0, (4, 4), 3, (3, 3), 5, (2, 2), (1, 1)),
}
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
layers = pytest.mark.parametrize("layer", LAYERS)


def together(problem: Problem) -> tuple[Array, Array]:
    """dx and dw of one pass."""
    dx, dw = (np.full(problem.shape(name), np.nan, problem.x.dtype) for name in ("input_grad", "weight_grad"))
    backward: Any = strided.run_backward
    backward(plain(problem.x), plain(problem.dy), problem.w, *problem.how, dx, dw)
    return dx, dw


@dtypes
@layers
@pytest.mark.parametrize("cut", [False, True])
def test_one_pass_gives_the_bits_of_two(layer: str, cut: bool, dtype: type) -> None:
    problem = random_problem(LAYERS[layer]).astype(dtype)
    with small_work_items(6, 400 if cut else 1 << 20):
        for found, name in zip(together(problem), ("input_grad", "weight_grad"), strict=True):
            np.testing.assert_array_equal(found, run(strided, name, problem))


def test_one_pass_gives_equal_bits_for_any_number_of_threads() -> None:
    problem = random_problem(LAYERS["tails and odd sizes"]).astype(np.float32)
    first = together(problem)
    for _ in every_thread_count():
        for a, b in zip(together(problem), first, strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_image_larger_than_the_cache_is_cut_into_strips() -> None:
    """The contract takes long on such an image, direct does not."""
    g = ConvGeometry(2, (150, 260), 33, (3, 3), 20, (2, 2), (1, 1))
    x, y = (g.batch, *g.size, g.channels), (g.batch, *g.out, g.filters)
    assert plan.forward(x, y, np.dtype(np.float32))[0].strips > 1
    assert plan.backward(x, y, np.dtype(np.float32))[0].strips > 1
    problem = random_problem(g).astype(np.float32)
    terms = {"forward": 9 * 33, "input_grad": 4 * 20, "weight_grad": 2 * 75 * 130}
    for function, count in terms.items():  # near one: their sum of absolute values is about two thirds of their number
        wanted = run(direct, function, problem)
        assert_close(run(strided, function, problem), wanted, np.full_like(wanted, count))


@pytest.mark.parametrize(("room", "items", "expected"), [(1, 100, 2), (1 << 30, 100, 16), (1 << 30, 1, 1)])
def test_partial_sums_of_the_weight_gradient_are_bounded(
    room: int, items: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By memory, and by the number of work items: a sum without any would be merged for nothing."""
    monkeypatch.setattr(_strided_backward, "SUM_BYTES", room)
    monkeypatch.setattr(_block, "count_items", lambda g: items)
    chunks: list[int] = []
    original = _strided_backward._run

    def spy(*arguments: Any) -> None:
        chunks.append(len(arguments[-3]))
        original(*arguments)

    monkeypatch.setattr(_strided_backward, "_run", spy)
    problem = random_problem(LAYERS["tails and odd sizes"]).astype(np.float32)
    wanted, sizes = (run(naive, "weight_grad", p) for p in (problem, problem.map(np.abs)))
    assert_close(run(strided, "weight_grad", problem), wanted, sizes)
    assert chunks == [expected]


def test_what_fills_lanes_without_channel_reaches_no_result() -> None:
    """They are zero: what was in the memory of the scratch before may be NaN."""
    poison = np.full(1 << 18, np.nan, np.float32)  # as large as the scratch, and freed before it is made
    problem = random_problem(LAYERS["tails and odd sizes"]).astype(np.float32)
    del poison
    for function in ("forward", "input_grad", "weight_grad"):
        assert np.isfinite(run(strided, function, problem)).all()


def test_where_it_applies_and_where_it_pays() -> None:
    geometry = {"taps": (3, 3), "stride": (2, 2), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    assert strided.applies(**geometry)
    for change in ({"taps": (3, 5)}, {"stride": (2, 1)}, {"padding": (1, 0)}, {"dilation": (1, 2)}, {"groups": 2}):
        assert not strided.applies(**(geometry | change))
    lanes, dtype = simd.lanes(np.float32), np.dtype(np.float32)
    assert strided.pays(lanes, 2 * lanes, 16, dtype)
    assert not strided.pays(lanes - 1, 2 * lanes, 16, dtype)
    assert not strided.pays(lanes, 3 * lanes, 16, dtype)
    assert not strided.pays(lanes, 2 * lanes, 1, dtype)


def test_work_items_cover_the_batch() -> None:
    block, _ = plan.forward((7, 8, 8, 16), (7, 4, 4, 32), np.dtype(np.float32))
    assert _block.count_items(block) * block.images >= 7

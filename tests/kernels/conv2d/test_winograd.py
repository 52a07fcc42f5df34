"""Winograd's kernels where test_conv2d does not reach: fast tiles, images cut by real caches, many channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scratchconv.kernels.conv2d import _block, direct, naive, winograd
from scratchconv.kernels.conv2d import _winograd_plan as plan
from scratchconv.kernels.conv2d._source import plain
from tests.kernels.conv2d.problem import Array, Problem, assert_close, random_problem, run
from tests.kernels.threads import every_thread_count
from tests.strategies import ConvGeometry

FUNCTIONS = ("forward", "input_grad", "weight_grad")


def run_with(problem: Problem, function: str, precision: str) -> Array:
    """The result of one function at a precision."""
    out = np.full(problem.shape(function), np.nan, problem.x.dtype)
    sources = {
        "forward": (plain(problem.x), problem.w, problem.b),
        "input_grad": (plain(problem.dy), problem.w),
        "weight_grad": (plain(problem.x), plain(problem.dy)),
    }[function]
    getattr(winograd, f"run_{function}")(*sources, *problem.how, out, precision=precision)
    return out


def assert_equals_contract(problem: Problem, precision: str, factor: float) -> None:
    """Errors are those of a tile, whose results share their roundings: relative to the largest Σ|terms|."""
    for function in FUNCTIONS:
        wanted, sizes = run(naive, function, problem), run(naive, function, problem.map(np.abs))
        sizes[...] = factor * sizes.max(initial=0)
        assert_close(run_with(problem, function, precision), wanted, sizes)


# Tiles of 4 x 4: sizes that they divide and sizes that they do not. The error is larger by the numbers in the
# transforms: README has the measured factors; those here bound the largest of some hundred elements.
FAST = {
    "3x3": (ConvGeometry(3, (9, 10), 17, (3, 3), 33, padding=(1, 1)), 10),
    "3x3, padding beyond the kernel": (ConvGeometry(2, (4, 4), 5, (3, 3), 16, padding=(4, 3)), 10),
    "3x3, one row": (ConvGeometry(1, (1, 9), 3, (3, 3), 5, padding=(1, 1)), 10),
    "5x5": (ConvGeometry(3, (9, 10), 16, (5, 5), 33, padding=(2, 2)), 30),
    "3x3, stride 2": (ConvGeometry(3, (17, 10), 17, (3, 3), 33, (2, 2), (1, 1)), 10),
    "3x3, stride 2, padding beyond the kernel": (ConvGeometry(2, (4, 5), 5, (3, 3), 16, (2, 2), (4, 3)), 10),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FAST)
def test_fast_tiles(name: str, dtype: type) -> None:
    g, factor = FAST[name]
    assert_equals_contract(random_problem(g).astype(dtype), "fast", factor)


@pytest.mark.parametrize(
    "g",
    [
        ConvGeometry(2, (90, 150), 33, (3, 3), 17, padding=(1, 1)),
        ConvGeometry(2, (150, 170), 33, (3, 3), 17, (2, 2), (1, 1)),
    ],
)
def test_an_image_larger_than_the_cache_is_cut_into_strips(g: ConvGeometry) -> None:
    """The contract takes long on such an image, direct does not."""
    stride = g.stride[0]
    tile = plan.choose_results("exact", g.kernel, stride, g.channels)
    x, y = (g.batch, *g.size, g.channels), (g.batch, *g.out, g.filters)
    maps = plan.forward_transforms(tile, g.kernel, stride, g.filters, np.dtype(np.float32))
    block, _ = plan.forward(x, y, (-1, -1), (stride * tile[0], stride * tile[1]), maps)
    assert block.strips > 1
    assert _block.count_items(block) == g.batch * block.strips
    problem = random_problem(g).astype(np.float32)
    for function in FUNCTIONS:
        # Terms are near one: their sum of absolute values is about two thirds of their number.
        terms = {"forward": 9 * 33, "input_grad": 9 * 17, "weight_grad": 2 * g.out[0] * g.out[1]}[function]
        wanted = run(direct, function, problem)
        assert_close(run(winograd, function, problem), wanted, np.full_like(wanted, 2 * terms))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_weight_gradient_of_5x5_kernels_over_many_pixels(dtype: type) -> None:
    """Fewer are left to direct."""
    problem = random_problem(ConvGeometry(1, (64, 65), 3, (5, 5), 5, padding=(2, 2))).astype(dtype)
    wanted, sizes = (run(naive, "weight_grad", p) for p in (problem, problem.map(np.abs)))
    assert_close(run(winograd, "weight_grad", problem), wanted, sizes)  # long sums: their sizes are far above errors


def test_many_channels_take_the_smaller_tiles_forward_and_those_of_dy_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles: list[tuple[int, int]] = []
    for name in ("forward_transforms", "backward_transforms"):
        original = getattr(plan, name)

        def spy(tile: tuple[int, int], *arguments: Any, original: Any = original) -> plan.Transforms:
            tiles.append(tile)
            return original(tile, *arguments)

        monkeypatch.setattr(plan, name, spy)
    problem = random_problem(ConvGeometry(1, (6, 6), 70, (3, 3), 5, padding=(1, 1))).astype(np.float32)
    for function in FUNCTIONS:
        run(winograd, function, problem)
    assert tiles == [(2, 2), (2, 4), (2, 2)]  # of 70 channels, of 5 filters, of 36 pixels


def test_fast_tiles_give_equal_bits_for_any_number_of_threads() -> None:
    problem = random_problem(FAST["3x3"][0]).astype(np.float32)
    first = {function: run_with(problem, function, "fast") for function in FUNCTIONS}
    for _ in every_thread_count():
        for function in FUNCTIONS:
            np.testing.assert_array_equal(run_with(problem, function, "fast"), first[function])


def test_where_it_applies_and_where_it_pays() -> None:
    ones = ((1, 1), (1, 1), 1)
    assert winograd.applies((3, 3), *ones)
    assert winograd.applies([5, 5], *ones)
    assert winograd.applies((3, 3), (2, 2), (1, 1), 1, 512)
    assert not winograd.applies((5, 5), (2, 2), (1, 1), 1)
    assert not winograd.applies((3, 3), (3, 3), (1, 1), 1)
    assert not winograd.applies((3, 3), (2, 1), (1, 1), 1)
    assert not winograd.applies((3, 3), (1, 1), (1, 2), 1)
    assert not winograd.applies((3, 3), (1, 1), (1, 1), 2)
    assert not winograd.applies((3, 4), *ones)
    assert not winograd.applies((5, 5), *ones, 64)
    assert winograd.applies((5, 5), *ones, 64, "fast")
    assert winograd.joins(np.empty((3, 3, 64, 64), np.float32), (1, 1), 512)
    assert not winograd.joins(
        np.empty((3, 3, 64, 64), np.float32), (1, 1), 511
    )  # smaller tiles keep the promise for dw
    assert winograd.joins(np.empty((3, 3, 16, 65), np.float32), (1, 1), 1)  # as these are
    assert not winograd.joins(np.empty((3, 3, 512, 512), np.float32), (1, 1), 10_000)  # sums for dw that leave L2
    assert winograd.joins(np.empty((3, 3, 32, 64), np.float32), (2, 2), 1)
    assert not winograd.joins(np.empty((3, 3, 64, 128), np.float32), (2, 2), 10_000)  # their 36 planes leave L2, too
    assert winograd.joins(np.empty((5, 5, 16, 32), np.float32), (1, 1), 4096)
    assert not winograd.joins(np.empty((5, 5, 16, 32), np.float32), (1, 1), 4095)  # fewer pixels are summed by direct
    assert winograd.pays(10, 16, 256)
    assert not winograd.pays(9, 16, 256)
    assert not winograd.pays(16, 3, 256)
    assert not winograd.pays(16, 16, 255)

"""Both gradients in one pass: the same as each alone, for fused sources and finishes too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchconv.kernels.conv2d import _finish, _winograd_backward, naive, winograd
from scratchconv.kernels.conv2d import _winograd_plan as plan
from scratchconv.kernels.conv2d._source import ACTIVATION, GRADIENT, make_source, plain
from tests.kernels.conv2d.problem import Array, Problem, assert_close, random_problem, run, small_work_items
from tests.kernels.threads import every_thread_count
from tests.strategies import ConvGeometry, winograd_geometries


def both(problem: Problem, precision: str = "exact") -> tuple[Array, Array]:
    """The gradients of x and w by one pass."""
    dx, dw = np.full_like(problem.x, np.nan), np.full_like(problem.w, np.nan)
    sources = plain(problem.x), plain(problem.dy)
    winograd.run_backward(*sources, problem.w, *problem.how, dx, dw, precision=precision)
    return dx, dw


def assert_equals_contract(problem: Problem, factor: float, precision: str = "exact") -> None:
    """Errors are those of a tile, whose results share their roundings: relative to the largest Σ|terms|."""
    for function, found in zip(("input_grad", "weight_grad"), both(problem, precision), strict=True):
        wanted, sizes = run(naive, function, problem), run(naive, function, problem.map(np.abs))
        sizes[...] = factor * sizes.max(initial=0)
        assert_close(found, wanted, sizes)


@given(winograd_geometries(), st.sampled_from([np.float32, np.float64]))
def test_equals_the_contract(g: ConvGeometry, dtype: type) -> None:
    assert_equals_contract(random_problem(g).astype(dtype), 10)


# README has the measured factors of larger tiles.
@pytest.mark.parametrize(("kernel", "stride", "factor"), [(3, 1, 10), (3, 2, 10), (5, 1, 30)])
def test_fast_tiles_equal_the_contract(kernel: int, stride: int, factor: float) -> None:
    g = ConvGeometry(3, (9, 10), 17, (kernel, kernel), 33, (stride, stride), (kernel // 2, kernel // 2))
    assert_equals_contract(random_problem(g).astype(np.float32), factor, "fast")


@given(winograd_geometries())
def test_equals_the_contract_where_images_are_cut(g: ConvGeometry) -> None:
    with small_work_items(20, 2048):
        assert_equals_contract(random_problem(g).astype(np.float32), 10)


@pytest.mark.parametrize("stride", [1, 2])
def test_both_are_the_same_bits_as_each_alone_with_the_same_tiles(stride: int) -> None:
    problem = random_problem(ConvGeometry(5, (8, 12), 16, (3, 3), 32, (stride, stride), (1, 1))).astype(np.float32)
    dx, dw = both(problem)
    np.testing.assert_array_equal(dx, run(winograd, "input_grad", problem))
    alone = np.full_like(problem.w, np.nan)
    tile = plan.choose_results("exact", (3, 3), stride, 32)
    batch = np.empty((5, 0), np.float32)
    _winograd_backward.launch(plain(problem.x), plain(problem.dy), None, stride, (1, 1), tile, batch, alone, None)
    np.testing.assert_array_equal(dw, alone)


@pytest.mark.parametrize(("channels", "stride"), [(16, 1), (19, 1), (16, 2), (19, 2)])
def test_what_is_computed_on_the_way_in_and_out(channels: int, stride: int) -> None:
    """BatchNorm and ReLU before and behind: the same as plain arrays of what they compute, with the same tiles."""
    rng = np.random.default_rng(0)
    shape = (3, 7, 10, channels)
    small = (3, (7 - 1) // stride + 1, (10 - 1) // stride + 1, channels)
    z, extra, g, y = (rng.standard_normal(size).astype(np.float32) for size in (shape, shape, small, small))
    scale, shift, mean, a, b, c = rng.standard_normal((6, channels)).astype(np.float32)
    w = rng.standard_normal((3, 3, channels, channels)).astype(np.float32)
    x, dy = np.maximum(0, z * scale + shift), a * g + b * (y - mean) + c
    dx, dw, dx_wanted, dw_wanted = np.empty_like(x), np.empty_like(w), np.empty_like(x), np.empty_like(w)
    how = ((stride, stride), (1, 1), (1, 1), 1)
    winograd.run_backward(plain(x), plain(dy), w, *how, dx_wanted, dw_wanted)
    kind = _finish.RECEIVE | _finish.MASK_AFFINE | _finish.EXTRA | _finish.SUMS
    sources = make_source(ACTIVATION, z, None, None, [scale, shift]), make_source(GRADIENT, g, y, None, [a, mean, b, c])
    rows = [scale, shift, mean, mean]
    winograd.run_backward(
        *sources, w, *how, dx, dw,
        make_finish=lambda items: _finish.make_finish(kind, dx, items, rows, z=z, extra=extra),
    )  # fmt: skip
    # Sources are rounded once more here or there: a few epsilons of sums of some hundred terms near one.
    np.testing.assert_allclose(dw, dw_wanted, rtol=0, atol=1e-6 * float(np.abs(dw_wanted).max()) * 4)
    wanted = np.where(z.astype(np.float64) * scale + shift > 0, dx_wanted + extra, 0)
    np.testing.assert_allclose(dx, wanted, rtol=0, atol=1e-6 * float(np.abs(wanted).max()) * 4)


def test_bits_do_not_depend_on_the_number_of_threads() -> None:
    problem = random_problem(ConvGeometry(9, (8, 12), 16, (3, 3), 20, padding=(1, 1))).astype(np.float32)
    with small_work_items(64, 1 << 14):
        first = both(problem)
        for _ in every_thread_count():
            for found, wanted in zip(both(problem), first, strict=True):
                np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("sums", "worth", "items", "expected"),
    [(1, 1, 100, 2), (1 << 30, 1, 100, _winograd_backward.SUMS), (1 << 30, 16, 100, 6), (1 << 30, 1, 1, 1)],
)
def test_partial_sums_are_bounded(
    sums: int, worth: int, items: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By memory, by the number of tiles (100 here) and of work items: a sum without any would be merged for nothing."""
    monkeypatch.setattr(_winograd_backward, "SUM_BYTES", sums)
    monkeypatch.setattr(_winograd_backward, "WORTH", worth)
    monkeypatch.setattr(_winograd_backward._block, "count_items", lambda g: items)
    chunks: list[int] = []
    original = _winograd_backward._run

    def spy(*arguments: Array) -> None:
        chunks.append(len(arguments[-3]))
        original(*arguments)

    monkeypatch.setattr(_winograd_backward, "_run", spy)
    problem = random_problem(ConvGeometry(5, (7, 9), 5, (3, 3), 20, padding=(1, 1))).astype(np.float32)
    wanted, sizes = (run(naive, "weight_grad", p) for p in (problem, problem.map(np.abs)))
    assert_close(run(winograd, "weight_grad", problem), wanted, np.full_like(sizes, 20 * sizes.max()))
    assert chunks == [expected]

"""How the sums of the weight and bias gradients are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scratchconv.kernels.conv2d import _weight_grad, direct, naive
from scratchconv.kernels.conv2d import _weight_grad_plan as plan
from tests.kernels.conv2d.problem import Problem, assert_close, random_problem, run
from tests.strategies import ConvGeometry

G = ConvGeometry(7, (9, 8), 5, (3, 3), 10, padding=(1, 1))


@pytest.mark.parametrize(("scratch", "expected"), [(1, 1), (4 * 5 * 9 * 10 * 4, 4), (1 << 30, 7)])
def test_scratch_is_bounded_by_fewer_chunks(scratch: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few or many partial sums: the same gradient, and no more memory than said, nor sums than work items."""
    monkeypatch.setattr(plan, "PIXELS", 72)  # of an image: seven work items
    monkeypatch.setattr(plan, "work", plan.work.__wrapped__)  # nothing remembered
    chunks: list[int] = []
    original = _weight_grad._run

    def spy(*arguments: Any) -> None:
        chunks.append(len(arguments[-1]))
        original(*arguments)

    monkeypatch.setattr(_weight_grad, "_run", spy)
    monkeypatch.setattr(plan, "SCRATCH", scratch)
    problem = random_problem(G).astype(np.float32)
    wanted, sizes = (run(naive, "weight_grad", p) for p in (problem, problem.map(np.abs)))
    assert_close(run(direct, "weight_grad", problem), wanted, sizes)
    assert chunks == [expected]


@pytest.mark.parametrize("channels", [1, 4])
def test_separate_runs_that_fill_a_tile_by_chance_are_no_neighbours(channels: int) -> None:
    """With groups the taps of a kernel row lie apart; eight rows in all are as many as a tile has."""
    g = ConvGeometry(2, (5, 7), 2 * channels, (2, 4 // channels), 2, groups=2)
    problem = random_problem(g).astype(np.float32)
    wanted, sizes = (run(naive, "weight_grad", p) for p in (problem, problem.map(np.abs)))
    assert_close(run(direct, "weight_grad", problem), wanted, sizes)


@pytest.mark.parametrize("filters", [33, 80])
@pytest.mark.parametrize("channels", [5, 16])
def test_blocks_of_filters(channels: int, filters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One partial sum and a block for each panel: sums that begin in dw itself, or that need a row beside it."""
    monkeypatch.setattr(plan, "divide", lambda *_, **__: (1, 3))
    g = ConvGeometry(5, (9, 8), channels, (3, 3), filters, padding=(1, 1))
    problem = random_problem(g).astype(np.float32)
    wanted, sizes = (run(naive, "weight_grad", p) for p in (problem, problem.map(np.abs)))
    assert_close(run(direct, "weight_grad", problem), wanted, sizes)


def test_a_long_sum_keeps_its_digits() -> None:
    """4e5 equal terms: one chain of float32 additions would lose four of seven digits."""
    shape = (2, 447, 447, 1)
    problem = Problem(
        np.full(shape, 0.1, np.float32),
        np.zeros((1, 1, 1, 1), np.float32),
        np.zeros(1, np.float32),
        np.full(shape, 0.3, np.float32),
        ((1, 1), (0, 0), (1, 1), 1),
    )
    count, eps = np.prod(shape), np.finfo(np.float32).eps
    x, dy = np.float64(np.float32(0.1)), np.float64(np.float32(0.3))
    chain = np.full(count, np.float32(0.3)).cumsum(dtype=np.float32)[-1]
    assert abs(chain / (count * dy) - 1) > 1000 * eps  # the mistake this test looks for
    # Equal terms are the worst case, all roundings of a stretch of the sum pointing one way: relative to the result,
    # half an epsilon a term at most. A work item adds one row, 447 terms, a sum of dy some dozen.
    np.testing.assert_allclose(run(direct, "weight_grad", problem).ravel(), count * x * dy, rtol=100 * eps)
    np.testing.assert_allclose(run(direct, "bias_grad", problem), count * dy, rtol=50 * eps)


@pytest.mark.parametrize("filters", [1, 7, 30])
@pytest.mark.parametrize("pixels", [(1, 1), (1, 5), (6, 7)])
def test_bias_gradient_of_any_number_of_pixels(pixels: tuple[int, int], filters: int) -> None:
    """Fewer pixels than a tile has rows, a multiple of them, and some left over."""
    problem = random_problem(ConvGeometry(3, pixels, 2, (1, 1), filters)).astype(np.float32)
    wanted, sizes = (run(naive, "bias_grad", p) for p in (problem, problem.map(np.abs)))
    assert_close(run(direct, "bias_grad", problem), wanted, sizes)

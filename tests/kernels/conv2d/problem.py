"""A convolution with its arrays in the kernels' layout, and a way to call kernels that sees every stray access."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from scratchconv import simd
from scratchconv.kernels.conv2d import (
    _plan,
    _weight_grad_plan,
    _winograd_plan,
    depthwise,
    dilated,
    direct,
    im2col,
    rows,
    winograd,
)
from tests.strategies import ConvGeometry

ALGORITHMS = {
    "im2col": im2col,
    "direct": direct,
    "depthwise": depthwise,
    "rows": rows,
    "winograd": winograd,
    "dilated": dilated,
}
FUNCTIONS = ("forward", "input_grad", "weight_grad", "bias_grad")
MARGIN = 70  # elements around each array: more than a vector, an odd distance from its alignment
GUARD = -77.0

Array = np.ndarray[Any, Any]


def surrounded(values: Array, by: float) -> Array:
    """A copy of ``values`` whose memory is surrounded by ``by``."""
    memory = np.full(values.size + 2 * MARGIN, by, values.dtype)
    copy = memory[MARGIN : MARGIN + values.size].reshape(values.shape)
    copy[...] = values
    return copy


class Problem(NamedTuple):
    """Input, weights, bias, gradient of the result (NHWC and KH KW C/G F) and the arguments they go with."""

    x: Array
    w: Array
    b: Array
    dy: Array
    how: tuple[Any, ...]  # stride, padding, dilation, groups

    def inputs(self, function: str) -> tuple[Any, ...]:
        arrays = {
            "forward": (self.x, self.w, self.b),
            "input_grad": (self.dy, self.w),
            "weight_grad": (self.x, self.dy),
            "bias_grad": (self.dy,),
        }[function]
        return arrays if function == "bias_grad" else (*arrays, *self.how)

    def shape(self, function: str) -> tuple[int, ...]:
        results = {"forward": self.dy, "input_grad": self.x, "weight_grad": self.w, "bias_grad": self.b}
        return results[function].shape

    def map(self, change: Any) -> Problem:
        return Problem(*(change(array) for array in self[:4]), self.how)

    def astype(self, dtype: Any) -> Problem:
        return self.map(lambda array: array.astype(dtype))


def random_problem(g: ConvGeometry, seed: int = 0) -> Problem:
    """Standard normal numbers in float64, rounded to float32 so that both dtypes see the same ones."""
    rng = np.random.default_rng(seed)
    return _problem(g, lambda *shape: rng.standard_normal(shape).astype(np.float32).astype(np.float64))


def whole_problem(g: ConvGeometry, seed: int = 0) -> Problem:
    """Small whole numbers in float64: their products and sums are exact in float32, in any order."""
    rng = np.random.default_rng(seed)
    return _problem(g, lambda *shape: rng.integers(-3, 4, shape).astype(np.float64))


def _problem(g: ConvGeometry, draw: Any) -> Problem:
    per_group = g.channels // g.groups
    x, w = draw(g.batch, *g.size, g.channels), draw(*g.kernel, per_group, g.filters)
    return Problem(x, w, draw(g.filters), draw(g.batch, *g.out, g.filters), tuple(g.params.values()))


def run(algorithm: ModuleType, function: str, problem: Problem) -> Array:
    """The result of one kernel.

    Inputs lie between NaN and must not change; the output is NaN before the call and lies between guards, which must
    be there afterwards. An element that is not written, or made from what lies beside an input, comes back as NaN.
    """
    given = problem.map(lambda array: surrounded(array, np.nan))
    out = surrounded(np.full(problem.shape(function), np.nan, problem.x.dtype), GUARD)
    getattr(algorithm, function)(*given.inputs(function), out)
    assert all(np.array_equal(a, b) for a, b in zip(given[:4], problem[:4], strict=True)), "an input was changed"
    memory = out.base
    assert np.all(memory[:MARGIN] == GUARD), "written before the output"
    assert np.all(memory[MARGIN + out.size :] == GUARD), "written behind the output"
    return out


def by_torch(problem: Problem) -> dict[str, Array]:
    """PyTorch's result of each function, in the kernels' layout and the problem's dtype."""
    x, w, dy = (torch.from_numpy(a.transpose(t).copy()) for a, t in _to_torch(problem))
    b = torch.from_numpy(problem.b.copy())
    leaves = [t.requires_grad_() for t in (x, w, b)]
    names = ("stride", "padding", "dilation", "groups")
    y = torch.nn.functional.conv2d(x, w, b, **dict(zip(names, problem.how, strict=True)))
    dx, dw, db = torch.autograd.grad(y, leaves, dy)
    results = [y.detach().numpy().transpose(0, 2, 3, 1), dx.numpy().transpose(0, 2, 3, 1)]
    return dict(zip(FUNCTIONS, [*results, dw.numpy().transpose(2, 3, 1, 0), db.numpy()], strict=True))


def _to_torch(problem: Problem) -> tuple[tuple[Array, tuple[int, ...]], ...]:
    return (problem.x, (0, 3, 1, 2)), (problem.w, (3, 2, 0, 1)), (problem.dy, (0, 3, 1, 2))


def assert_close(found: Array, wanted: Array, sum_of_terms: Array) -> None:
    """Whether ``found`` is ``wanted`` up to rounding.

    Rounding errors of a sum walk at random: relative to Σ|terms| their RMS stays below one epsilon, however many terms
    there are; four leave room for the largest of some thousand elements. A term that is lost, doubled or misplaced is
    an error of about Σ|terms| / number of terms: a thousand times that, in float32 with a hundred terms.
    """
    assert found.dtype == wanted.dtype
    bound = 4 * np.finfo(found.dtype).eps * sum_of_terms
    assert np.all(np.abs(found - wanted) <= bound), f"worst {np.max(np.abs(found - wanted) / (bound + 1e-300))} bounds"


@contextmanager
def small_work_items(pixels: int, block_bytes: int) -> Iterator[None]:
    """Cut even tiny images into strips of about ``pixels`` results; join images up to that.

    Winograd is cut by the size of the caches alone.
    """

    def cut(*arguments: Any) -> _plan.Strip:
        *geometry, limits = arguments
        small = limits._replace(block_bytes=block_bytes, join=min(limits.join, pixels), pixels=pixels)
        return _plan.cut(*geometry, small)

    with pytest.MonkeyPatch.context() as patch:
        for module in (direct, rows, _weight_grad_plan):
            patch.setattr(module, "cut", cut)
        patch.setattr(simd, "cache_bytes", lambda level: 3 * block_bytes)
        _forget_plans()
        yield
    _forget_plans()


def _forget_plans() -> None:
    """Plans are remembered by shape; the size of the caches counts as constant."""
    direct._lay_out.cache_clear()
    _winograd_plan.forward.cache_clear()
    _winograd_plan.backward.cache_clear()
    _weight_grad_plan.work.cache_clear()

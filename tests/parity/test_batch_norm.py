"""batch_norm beside PyTorch: training, evaluation, running statistics and ill-conditioned inputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import scratchconv as sc
from tests.parity.checks import Expression, Named, assert_parity, assert_same_error, largest_element, normal
from torch_ref.parity.evaluate import run
from torch_ref.parity.measure import error

STATISTICS = frozenset({"x3", "x4"})


def batch_norm(*, training: bool, momentum: float = 0.1, eps: float = 1e-5) -> Expression:
    def fn(lib, x, weight, bias, mean, var):
        y = lib.nn.functional.batch_norm(x, mean, var, weight, bias, training, momentum, eps)
        return y, mean, var

    return fn


def arguments(shape: tuple[int, ...]) -> list[np.ndarray]:
    c = shape[1]
    return [normal(1, *shape), normal(2, c), normal(3, c), normal(4, c), np.abs(normal(5, c)) + 0.5]


@given(
    n=st.integers(1, 5),
    c=st.integers(1, 35),
    h=st.integers(1, 6),
    w=st.integers(2, 9),
    training=st.booleans(),
    momentum=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_any_shape(n: int, c: int, h: int, w: int, training: bool, momentum: float) -> None:
    # Two values of a channel can be arbitrarily close, and their difference all rounding; eps=0.5 keeps the condition
    # number near 1. A gradient of weight or bias sums N·H·W terms of size 1, everything else is of size 1 to 4.
    fn = batch_norm(training=training, momentum=momentum, eps=0.5)

    def sizes(truth: Named, *rest: object) -> Named:
        least = {"dx1": n * h * w, "dx2": n * h * w}
        return {name: np.maximum(np.abs(value).max(), least.get(name, 4)) for name, value in truth.items()}

    assert_parity(
        fn,
        *arguments((n, c, h, w)),
        frozen=STATISTICS,
        outputs=("y", "mean", "var"),
        magnitude=sizes,
    )


@pytest.mark.parametrize("offset", [0.0, 100.0, 1e4])
def test_large_offset_is_no_worse_than_pytorch(offset: float) -> None:
    fn = batch_norm(training=True)
    inputs = arguments((8, 16, 14, 14))
    inputs[0] = inputs[0] + offset
    inputs = [array.astype(np.float32) for array in inputs]
    named = {f"x{i}": array for i, array in enumerate(inputs)}
    wide = {name: array.astype(np.float64) for name, array in named.items()}
    outputs = ("y", "mean", "var")
    truth = run(torch, fn, wide, frozen=STATISTICS, outputs=outputs).by_direction()
    theirs = run(torch, fn, named, frozen=STATISTICS, outputs=outputs).by_direction()
    ours = run(sc, fn, named, frozen=STATISTICS, outputs=outputs).by_direction()
    for name, expected in truth.items():
        allowed = max(2 * error(theirs[name], expected).rms, 2e-7)  # 2: the factor of the report; 2e-7: three roundings
        assert error(ours[name], expected).rms <= allowed, name


def test_without_weight_bias_and_statistics() -> None:
    def fn(lib, x):
        return lib.nn.functional.batch_norm(x, None, None, training=True)

    assert_parity(fn, normal(1, 4, 5, 6, 7), magnitude=largest_element, roundings=16)


def test_errors_are_pytorchs() -> None:
    x, weight, bias, mean, var = arguments((1, 3, 1, 1))
    assert_same_error(batch_norm(training=True), x, weight, bias, mean, var, mentions=("(1, 3, 1, 1)",))
    x = normal(1, 2, 4, 3, 3)
    assert_same_error(batch_norm(training=False), x, weight, bias, mean, var, mentions=("3", "4"))

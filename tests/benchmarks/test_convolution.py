"""One convolution as a job: both libraries agree with float64, and what does not is refused."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import convolution
from benchmarks.convolution import DIRECTIONS, Job, Shape, checked, rms_error
from scratchconv.kernels.conv2d import direct

SHAPE = Shape("small", 2, 6, 4, 8, 3, stride=2, padding=1, groups=2)


def test_counts_of_the_formula() -> None:
    assert SHAPE.out == 3
    assert SHAPE.flop == 2 * 2 * 3 * 3 * 8 * 3 * 3 * 2  # 2 N OH OW F KH KW C/G
    assert SHAPE.bytes == 4 * (2 * 6 * 6 * 4 + 2 * 3 * 3 * 8 + 8 * 2 * 3 * 3)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_all_ways_to_compute_it_agree(direction: str) -> None:
    job = Job(SHAPE)
    truth = job.truth(direction)
    calls = {"auto": job.automatic(direction), "direct": job.algorithm(direct, direction)} | job.torch(direction)
    errors = {name: checked(name, call, truth) for name, call in calls.items()}
    assert len(errors) == 4 and max(errors.values()) < convolution.TOLERANCE


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_wrong_kernel_is_refused(direction: str) -> None:
    def forget_a_tap(x: object, w: np.ndarray, *rest: object) -> None:
        w = w.copy()
        w[0, 0] = 0
        direct.forward(x, w, *rest)

    def off_by_a_little(*arguments: object) -> None:
        (direct.input_grad if direction == "input gradient" else direct.weight_grad)(*arguments)
        result = arguments[-1]
        assert isinstance(result, np.ndarray)
        result *= 1 + 1e-4

    wrong = SimpleNamespace(forward=forget_a_tap, input_grad=off_by_a_little, weight_grad=off_by_a_little)
    job = Job(SHAPE)
    with pytest.raises(RuntimeError, match="nothing was timed"):
        checked("wrong", job.algorithm(wrong, direction), job.truth(direction))


def test_names_the_algorithm_that_is_chosen() -> None:
    job = Job(Shape("few filters", 2, 32, 64, 16, 3, padding=1))
    assert [job.chosen(direction) for direction in DIRECTIONS] == ["winograd"] * 3
    depthwise = Job(Shape("depthwise", 2, 8, 8, 8, 3, padding=1, groups=8))
    assert {depthwise.chosen(direction) for direction in DIRECTIONS} == {"depthwise"}


def test_a_wrong_shape_is_refused() -> None:
    with pytest.raises(RuntimeError, match="shape"):
        checked("wrong", lambda: np.zeros((2, 3)), np.zeros((3, 2)))


def test_nan_is_an_infinite_error() -> None:
    assert rms_error(np.array([np.nan, 1.0]), np.ones(2)) == math.inf
    assert rms_error(np.array([1.1, 1.1]), np.ones(2)) == pytest.approx(0.1)


@pytest.mark.parametrize("contender", ["scratchconv", "PyTorch channels_last"])
def test_a_worker_builds_a_checked_call(contender: str) -> None:
    call, (error,) = convolution.build(SHAPE, "forward", contender)
    assert tuple(call().shape) == (2, 8, 3, 3) and error < convolution.TOLERANCE

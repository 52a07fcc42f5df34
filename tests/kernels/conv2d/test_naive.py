"""The contract: against numbers worked out by hand and against PyTorch in float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given

from scratchconv.kernels.conv2d import naive
from tests.kernels.conv2d.problem import FUNCTIONS, Problem, assert_close, by_torch, random_problem, run
from tests.strategies import ConvGeometry, conv_geometries

ONE = (1, 1)


class Hand(NamedTuple):
    """One channel, one filter: planes of numbers that a reader can check."""

    x: list[list[float]]
    w: list[list[float]]
    y: list[list[float]]  # without bias
    dy: list[list[float]]
    dx: list[list[float]]
    dw: list[list[float]]
    stride: tuple[int, int] = ONE
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = ONE


HAND = {
    # y[0,0] = 1*1 + 2*2 + 4*3 + 5*4 = 37. dw[0,0] = x[0,0]*1 + x[1,1]*2 = 11. dx: w placed at (0,0), 2w at (1,1).
    "two by two": Hand(
        x=[[1, 2, 3], [4, 5, 6], [7, 8, 9]],
        w=[[1, 2], [3, 4]],
        y=[[37, 47], [67, 77]],
        dy=[[1, 0], [0, 2]],
        dx=[[1, 2, 0], [3, 6, 4], [0, 6, 8]],
        dw=[[11, 14], [20, 23]],
    ),
    # Cross-correlation does not flip the kernel, so a single one in the image shows the kernel turned round.
    "not flipped": Hand(
        x=[[0, 0, 0], [0, 1, 0], [0, 0, 0]],
        w=[[1, 2, 3], [4, 5, 6], [7, 8, 9]],
        y=[[9, 8, 7], [6, 5, 4], [3, 2, 1]],
        dy=[[0, 0, 0], [0, 1, 0], [0, 0, 0]],
        dx=[[1, 2, 3], [4, 5, 6], [7, 8, 9]],
        dw=[[0, 0, 0], [0, 1, 0], [0, 0, 0]],
        padding=(1, 1),
    ),
    # Windows (0,1,2) and (2,3,4) of 1 2 3 4 behind one zero: 10 + 200 and 2 + 30 + 400.
    "stride and padding along a row": Hand(
        x=[[1, 2, 3, 4]],
        w=[[1, 10, 100]],
        y=[[210, 432]],
        dy=[[1, 2]],
        dx=[[10, 102, 20, 200]],
        dw=[[4, 7, 10]],
        stride=(1, 2),
        padding=(0, 1),
    ),
    # The same down a column: rows and columns must not be mixed up.
    "stride and padding down a column": Hand(
        x=[[1], [2], [3], [4]],
        w=[[1], [10], [100]],
        y=[[210], [432]],
        dy=[[1], [2]],
        dx=[[10], [102], [20], [200]],
        dw=[[4], [7], [10]],
        stride=(2, 1),
        padding=(1, 0),
    ),
    # Taps two apart: 1 + 30 + 500.
    "dilation": Hand(
        x=[[1, 2, 3, 4, 5]],
        w=[[1, 10, 100]],
        y=[[531]],
        dy=[[2]],
        dx=[[2, 0, 20, 0, 200]],
        dw=[[2, 6, 10]],
        dilation=(1, 2),
    ),
    # Stride beyond the kernel: the pixels 2 and 4 are never looked at.
    "stride over pixels": Hand(
        x=[[1, 2, 3, 4, 5]], w=[[7]], y=[[7, 21, 35]], dy=[[1, 2, 3]], dx=[[7, 0, 14, 0, 21]], dw=[[22]], stride=(1, 2)
    ),
    # Only the middle tap meets the one pixel.
    "kernel larger than the image": Hand(
        x=[[5]],
        w=[[1, 2, 3], [4, 6, 7], [8, 9, 10]],
        y=[[30]],
        dy=[[2]],
        dx=[[12]],
        dw=[[0, 0, 0], [0, 10, 0], [0, 0, 0]],
        padding=(1, 1),
    ),
}


def plane(numbers: list[list[float]], dtype: type) -> np.ndarray:
    return np.array(numbers, dtype)[None, :, :, None]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", HAND)
def test_hand_worked_planes(name: str, dtype: type) -> None:
    h = HAND[name]
    w, b = plane(h.w, dtype)[0, :, :, :, None], np.array([1000], dtype)
    problem = Problem(plane(h.x, dtype), w, b, plane(h.dy, dtype), (h.stride, h.padding, h.dilation, 1))
    np.testing.assert_array_equal(run(naive, "forward", problem), plane(h.y, dtype) + 1000)
    np.testing.assert_array_equal(run(naive, "input_grad", problem), plane(h.dx, dtype))
    np.testing.assert_array_equal(run(naive, "weight_grad", problem)[None, :, :, 0], plane(h.dw, dtype))
    np.testing.assert_array_equal(run(naive, "bias_grad", problem), [np.sum(h.dy)])


def test_hand_worked_groups_and_batch() -> None:
    """One pixel, four channels in two groups, one filter each: y = 1*1 + 2*10 and 3*100 + 4*1000; then an image twice
    as bright."""
    x = np.array([[1, 2, 3, 4], [2, 4, 6, 8]], np.float64).reshape(2, 1, 1, 4)
    w = np.array([[1, 100], [10, 1000]], np.float64).reshape(1, 1, 2, 2)  # channel of the group, filter
    dy = np.array([[1, 2], [0, 1]], np.float64).reshape(2, 1, 1, 2)
    problem = Problem(x, w, np.array([0.5, -0.5]), dy, (ONE, (0, 0), ONE, 2))
    np.testing.assert_array_equal(run(naive, "forward", problem).reshape(2, 2), [[21.5, 4299.5], [42.5, 8599.5]])
    np.testing.assert_array_equal(
        run(naive, "input_grad", problem).reshape(2, 4), [[1, 10, 200, 2000], [0, 0, 100, 1000]]
    )
    np.testing.assert_array_equal(run(naive, "weight_grad", problem).reshape(2, 2), [[1, 12], [2, 16]])
    np.testing.assert_array_equal(run(naive, "bias_grad", problem), [1, 3])


@given(conv_geometries())
def test_any_geometry_as_pytorch_in_float64(g: ConvGeometry) -> None:
    problem = random_problem(g)
    wanted, sizes = by_torch(problem), by_torch(problem.map(np.abs))
    for function in FUNCTIONS:
        assert_close(run(naive, function, problem), wanted[function], sizes[function])


@given(conv_geometries())
def test_float32_is_the_rounded_float64_result(g: ConvGeometry) -> None:
    """Sums run in float64 whatever the dtype of the arrays, so float32 is wrong by its own rounding only."""
    problem = random_problem(g)
    for function in FUNCTIONS:
        wanted = run(naive, function, problem).astype(np.float32)
        np.testing.assert_array_equal(run(naive, function, problem.astype(np.float32)), wanted)

"""Every algorithm of conv2d against the contract, and what all of them promise: accuracy, exactness, equal bits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchconv import simd
from scratchconv.kernels.conv2d import dilated, naive, rows, winograd
from scratchconv.kernels.conv2d._winograd_plan import choose_results
from tests.kernels.conv2d.problem import (
    ALGORITHMS,
    FUNCTIONS,
    Problem,
    assert_close,
    by_torch,
    random_problem,
    run,
    small_work_items,
    whole_problem,
)
from tests.kernels.threads import every_thread_count
from tests.memory import at_the_end_of_memory
from tests.strategies import (
    ConvGeometry,
    conv_geometries,
    dilated_geometries,
    dtypes,
    row_geometries,
    winograd_geometries,
)

ROOT = Path(__file__).parents[2]
algorithms = pytest.mark.parametrize("algorithm", ALGORITHMS)


LANES = simd.lanes(np.float64)  # the most filters that rows takes in either dtype
SERVED = {
    "depthwise": conv_geometries(kinds=("depthwise",)),
    "rows": row_geometries(LANES),
    "winograd": winograd_geometries(),
    "dilated": dilated_geometries(),
}
IN_TILES = ("winograd", "dilated")  # results of a tile share their roundings, and what is no number


def served(algorithm: str) -> st.SearchStrategy[ConvGeometry]:
    """The geometries that an algorithm serves."""
    return SERVED.get(algorithm, conv_geometries())


def suits(algorithm: str, g: ConvGeometry, dtype: type = np.float64) -> bool:
    """Whether an algorithm computes a geometry, forward and backward."""
    window = (g.kernel, g.stride, g.dilation, g.groups)
    if algorithm == "rows":
        y, x = (g.batch, *g.out, g.filters), (g.batch, *g.size, g.channels)
        return all(rows.applies(*window, np.broadcast_to(dtype(0), shape)) for shape in (x, y))
    if algorithm == "winograd":
        return bool(winograd.applies(*window))
    if algorithm == "dilated":
        return bool(dilated.applies(g.kernel, g.stride, g.padding, g.dilation, g.groups, g.channels))
    return algorithm != "depthwise" or g.depthwise


def like(algorithm: str, g: ConvGeometry) -> ConvGeometry:
    """``g`` changed into what the algorithm serves."""
    if algorithm == "depthwise":
        return g._replace(groups=g.channels, filters=g.channels)
    if algorithm == "winograd":
        return g._replace(groups=1, stride=(1, 1))
    if algorithm == "dilated":
        return g._replace(groups=1, stride=(1, 1), dilation=(2, 2), padding=(2, 2))
    return g._replace(groups=1, stride=(1, 1), channels=LANES, filters=LANES) if algorithm == "rows" else g


def assert_equals_contract(algorithm: str, problem: Problem) -> None:
    for function in FUNCTIONS:
        wanted, sizes = run(naive, function, problem), run(naive, function, problem.map(np.abs))
        if algorithm in IN_TILES and function != "bias_grad":
            # The results of a tile share their roundings: a small one has large ones. Five times those of others; more
            # in the weight gradient, whose tiles are larger and whose sums are short here.
            sizes[...] = (20 if function == "weight_grad" else 5) * sizes.max(initial=0)
        assert_close(run(ALGORITHMS[algorithm], function, problem), wanted, sizes)


@algorithms
@settings(max_examples=60)
@given(data=st.data(), dtype=dtypes)
def test_any_geometry(algorithm: str, data: st.DataObject, dtype: type) -> None:
    g = data.draw(served(algorithm))
    assert_equals_contract(algorithm, random_problem(g).astype(dtype))


# Geometry that random draws seldom meet. Depthwise where groups are channels.
RARE = {
    "one by one": ConvGeometry(2, (5, 7), 10, (1, 1), 20),
    "one by one with stride": ConvGeometry(2, (5, 7), 10, (1, 1), 20, stride=(2, 3)),
    "empty batch": ConvGeometry(0, (6, 6), 4, (3, 3), 20, padding=(1, 1)),
    "kernel larger than the image": ConvGeometry(2, (2, 3), 4, (5, 7), 9, padding=(2, 3)),
    "nothing but padding": ConvGeometry(1, (1, 1), 3, (2, 2), 5, padding=(4, 3), stride=(2, 1)),
    "stride beyond the image": ConvGeometry(1, (4, 3), 3, (2, 1), 5, stride=(100, 50)),
    "stride beyond the kernel": ConvGeometry(2, (9, 11), 3, (2, 2), 5, stride=(4, 5), padding=(1, 0)),
    "stride, dilation without common divisor": ConvGeometry(1, (13, 12), 2, (3, 4), 5, stride=(3, 2), dilation=(2, 3)),
    "stride divides dilation": ConvGeometry(1, (13, 12), 2, (3, 3), 5, stride=(2, 2), dilation=(2, 4), padding=(2, 4)),
    "as many tiles as taps, joined in a run": ConvGeometry(1, (1, 1), 13, (1, 2), 13, padding=(0, 1), dilation=(2, 1)),
    "one by one in padding": ConvGeometry(2, (3, 2), 16, (1, 1), 16, padding=(1, 2)),
    "pixels of 2 KiB": ConvGeometry(1, (3, 4), 512, (3, 2), 6, padding=(1, 0)),
    "three panels and a tail": ConvGeometry(1, (4, 5), 3, (3, 3), 77, padding=(1, 1)),
    "many groups of one": ConvGeometry(1, (4, 5), 6, (3, 3), 12, padding=(1, 1), groups=6),
    "padding beyond the kernel": ConvGeometry(2, (4, 5), 5, (3, 3), 17, padding=(4, 3)),
    "three panels of whole vectors": ConvGeometry(2, (6, 8), 16, (3, 3), 96, padding=(1, 1)),
    "5x5 without padding": ConvGeometry(2, (9, 8), 16, (5, 5), 33),
    "one pixel": ConvGeometry(1, (1, 1), 3, (3, 3), 5, padding=(1, 1)),
    "few channels, wide rows": ConvGeometry(2, (5, 31), 3, (3, 3), LANES, padding=(1, 1)),
    "few channels, narrow rows of whole tiles": ConvGeometry(1, (4, 14), 1, (5, 5), LANES, padding=(2, 2)),
    "stride 2, one pixel": ConvGeometry(2, (1, 1), 3, (3, 3), 5, (2, 2), (1, 1)),
    "stride 2, whole tiles": ConvGeometry(2, (8, 16), 16, (3, 3), 32, (2, 2), (1, 1)),
    "stride 2, odd sizes and tails": ConvGeometry(3, (7, 19), 17, (3, 3), 37, (2, 2), (1, 1)),
    "stride 2, empty batch": ConvGeometry(0, (8, 8), 16, (3, 3), 32, (2, 2), (1, 1)),
    "depthwise of whole vectors": ConvGeometry(2, (6, 5), 32, (3, 3), 32, padding=(1, 1), groups=32),
    "depthwise without padding": ConvGeometry(2, (6, 5), 16, (3, 2), 16, groups=16),
    "depthwise with a tail, without padding": ConvGeometry(2, (6, 5), 21, (3, 2), 21, groups=21),
    "depthwise with a tail and stride": ConvGeometry(2, (7, 8), 21, (5, 4), 21, (2, 3), (2, 1), groups=21),
    "depthwise of an empty batch": ConvGeometry(0, (7, 8), 21, (3, 3), 21, groups=21),
}


RARE_CASES = [(a, name) for a in ALGORITHMS for name, g in RARE.items() if suits(a, g)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("algorithm", "name"), RARE_CASES)
def test_rare_geometry(algorithm: str, name: str, dtype: type) -> None:
    assert_equals_contract(algorithm, random_problem(RARE[name]).astype(dtype))


def stay_within_readable_memory() -> None:
    """Call every function with all arrays at the end of readable memory. One element too far ends the process."""
    for algorithm, name in RARE_CASES:
        problem = random_problem(RARE[name]).astype(np.float32)
        at_end = problem.map(at_the_end_of_memory)
        for function in FUNCTIONS:
            out = at_the_end_of_memory(np.full(problem.shape(function), np.nan, np.float32))
            print(algorithm, name, function, flush=True)
            getattr(ALGORITHMS[algorithm], function)(*at_end.inputs(function), out)
            assert np.isfinite(out).all()
    print("all done")


def test_no_function_reads_or_writes_beyond_its_arrays() -> None:
    """Vectors that reach beyond the last pixel change no result, so only the operating system sees them."""
    at_the_end_of_memory(np.zeros(1))  # or skip
    code = "from tests.kernels.test_conv2d import *; stay_within_readable_memory()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    last = (done.stdout.splitlines() or ["nothing ran"])[-1]
    assert (done.returncode, last) == (0, "all done"), done.stderr


@pytest.mark.parametrize("algorithm", ["direct", "depthwise", "rows", "winograd", "dilated"])
@settings(max_examples=60)
@given(data=st.data(), pixels=st.integers(1, 60), block_bytes=st.integers(64, 4000))
def test_work_cut_into_strips_or_joined_images(
    algorithm: str, data: st.DataObject, pixels: int, block_bytes: int
) -> None:
    g = data.draw(served(algorithm))
    problem = random_problem(g).astype(np.float32)
    whole = {function: run(ALGORITHMS[algorithm], function, problem) for function in FUNCTIONS}
    with small_work_items(pixels, block_bytes):
        assert_equals_contract(algorithm, problem)
        for function in ("forward", "input_grad"):  # no sum crosses a cut here
            np.testing.assert_array_equal(run(ALGORITHMS[algorithm], function, problem), whole[function])


@pytest.mark.parametrize("algorithm", ["direct", "depthwise", "rows", "winograd", "dilated"])
def test_more_work_items_than_chunks(algorithm: str) -> None:
    """Each iteration of the parallel loop then has several items, and the last item of an image is not the last one."""
    g = like(algorithm, ConvGeometry(5, (33, 16), 8, (3, 3), 8, stride=(1, 2), padding=(1, 1)))
    with small_work_items(pixels=6, block_bytes=1):
        assert_equals_contract(algorithm, random_problem(g).astype(np.float32))


@pytest.mark.parametrize("algorithm", [a for a in ALGORITHMS if a not in IN_TILES])  # whose points are fractions
@given(data=st.data())
def test_whole_numbers_exactly_as_pytorch_in_float32(algorithm: str, data: st.DataObject) -> None:
    problem = whole_problem(data.draw(served(algorithm))).astype(np.float32)
    for function, wanted in by_torch(problem).items():
        np.testing.assert_array_equal(run(ALGORITHMS[algorithm], function, problem), wanted, err_msg=function)


ACCURACY = {
    "wide": ConvGeometry(2, (14, 14), 48, (3, 3), 24, padding=(1, 1)),
    "one by one": ConvGeometry(2, (14, 14), 200, (1, 1), 20),
    "many pixels": ConvGeometry(12, (28, 28), 3, (5, 5), 16, padding=(2, 2)),
    "few channels": ConvGeometry(8, (28, 28), 3, (3, 3), LANES, padding=(1, 1)),
    "stride 2": ConvGeometry(8, (28, 28), 48, (3, 3), 24, (2, 2), (1, 1)),
    "dilation": ConvGeometry(4, (28, 29), 48, (3, 3), 24, padding=(4, 2), dilation=(4, 2)),
    "depthwise": ConvGeometry(6, (28, 28), 24, (3, 3), 24, padding=(1, 1), groups=24),
}


def relative_rms(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((found - truth) ** 2) / np.mean(truth**2)))


@pytest.mark.parametrize(
    ("algorithm", "name"), [(a, n) for a in ALGORITHMS for n, g in ACCURACY.items() if suits(a, g, np.float32)]
)
def test_float32_is_as_accurate_as_pytorch(algorithm: str, name: str) -> None:
    """Factor 2, that of the architecture document: a chain of K fused multiply-adds may be wrong by a little more
    than PyTorch's blocked sums; a sum over a whole batch in one chain would be wrong by ten times as much. Factor 3 for
    Winograd, whose transforms add larger numbers than the result: what its precision "exact" promises."""
    problem = random_problem(ACCURACY[name])
    single = problem.astype(np.float32)
    truth, theirs = by_torch(problem), by_torch(single)
    for function in FUNCTIONS:
        ours = relative_rms(run(ALGORITHMS[algorithm], function, single), truth[function])
        factor = 3 if algorithm in IN_TILES else 2
        assert ours <= factor * relative_rms(theirs[function], truth[function]), function


@algorithms
def test_equal_pixels_give_equal_bits(algorithm: str) -> None:
    """Every pixel is computed in the same order, wherever it falls in a tile: ties in the input stay ties.

    In Winograd's tiles the order depends on the place in the tile, and roundings on all that the tile sees.
    """
    g = like(algorithm, ConvGeometry(3, (17, 19), 12, (3, 3), 12, padding=(1, 1)))
    high, wide = choose_results("exact", g.kernel, 1, g.channels) if algorithm in IN_TILES else (1, 1)
    high, wide = high * g.dilation[0], wide * g.dilation[1]
    problem = random_problem(g).astype(np.float32)
    problem.x[...], problem.dy[...] = problem.x[0, 0, 0], problem.dy[0, 0, 0]
    for function in ("forward", "input_grad"):
        found = run(ALGORITHMS[algorithm], function, problem)
        rows, columns = found.shape[1] - g.dilation[0], found.shape[2] - g.dilation[1]
        # Results whose tiles touch no border.
        interior = found[:, high : rows // high * high, wide : columns // wide * wide]
        for i, j in np.ndindex(high, wide):
            alike = interior[:, i::high, j::wide]
            np.testing.assert_array_equal(alike, np.broadcast_to(alike[0, 0, 0], alike.shape))


@algorithms
def test_equal_bits_for_any_number_of_threads_and_on_repeat(algorithm: str) -> None:
    g = like(algorithm, ConvGeometry(9, (20, 18), 20, (3, 3), 20, stride=(2, 1), padding=(1, 1), groups=2))
    problem = random_problem(g).astype(np.float32)
    first = {function: run(ALGORITHMS[algorithm], function, problem) for function in FUNCTIONS}
    for _ in every_thread_count():
        for function in FUNCTIONS * 2:
            np.testing.assert_array_equal(run(ALGORITHMS[algorithm], function, problem), first[function])


@pytest.mark.parametrize("algorithm", [a for a in ALGORITHMS if a not in IN_TILES])  # which spreads them over a tile
def test_nan_and_infinity_reach_what_they_touch_and_nothing_else(algorithm: str) -> None:
    """Depthwise with more channels than a vector has lanes: narrower groups are merged, with zeros between them."""
    g = like(algorithm, ConvGeometry(2, (7, 18), 20, (3, 3), 20, padding=(1, 1)))
    problem = random_problem(g).astype(np.float32)
    problem.x[1, 3, 4, 2], problem.x[0, 0, 7, 0] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(
            np.isfinite(run_anyway(algorithm, "forward", problem)), np.isfinite(run_anyway("naive", "forward", problem))
        )


def run_anyway(algorithm: str, function: str, problem: Problem) -> np.ndarray:
    """As run, for inputs that hold NaN themselves."""
    out = np.full(problem.shape(function), -1, problem.x.dtype)
    getattr({**ALGORITHMS, "naive": naive}[algorithm], function)(*problem.inputs(function), out)
    return out

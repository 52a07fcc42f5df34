"""Tasks run once each, on any number of threads, and their failures are not lost."""

from __future__ import annotations

import numpy as np
import pytest
from numba import config

import scratchconv as sc
from scratchconv.kernels._jit import helper, threaded_kernel
from scratchconv.simd import TileShape, run_tasks

compiled_only = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="about compiled code")


@helper
def count_up(i, x, factors, shape, counts):  # type: ignore[no-untyped-def]
    """Add to counts[i] what only the right arguments give."""
    counts[i] += x[i] * factors[0] + factors[1] * shape.rows


@threaded_kernel
def count_all(n, x, factors, shape, counts):  # type: ignore[no-untyped-def]
    run_tasks(count_up, n, x, factors, shape, counts)


@helper
def fail_at_seven(i, out):  # type: ignore[no-untyped-def]
    if i == 7:
        raise ValueError("seven")
    out[i] = 1.0


@threaded_kernel
def fail(out):  # type: ignore[no-untyped-def]
    run_tasks(fail_at_seven, out.size, out)


@helper
def inner(i, row):  # type: ignore[no-untyped-def]
    row[i] += 1.0


@helper
def outer(i, rows):  # type: ignore[no-untyped-def]
    run_tasks(inner, rows.shape[1], rows[i])


@threaded_kernel
def nested(rows):  # type: ignore[no-untyped-def]
    run_tasks(outer, rows.shape[0], rows)


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> None:
    before = sc.get_num_threads()
    sc.set_num_threads(min(request.param, before))
    request.addfinalizer(lambda: sc.set_num_threads(before))


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("n", [0, 1, 2, 3, 1000])
def test_each_task_runs_once_with_all_arguments(n: int) -> None:
    x, counts = np.arange(n, dtype=np.float64), np.zeros(n + 1)
    for _ in range(5):
        counts[:] = 0.0
        count_all(n, x, (3.0, 0.5), TileShape(2, 1, np.float64), counts)
        np.testing.assert_array_equal(counts[:n], 3 * x + 1)
        assert counts[n] == 0


@compiled_only
@pytest.mark.usefixtures("threads")
def test_a_failed_task_is_an_error_of_the_kernel() -> None:
    out = np.zeros(20)
    with pytest.raises(RuntimeError, match="task of a kernel failed"):
        fail(out)
    assert out[6] == 1
    fail(out[:5])


@pytest.mark.usefixtures("threads")
def test_tasks_inside_tasks() -> None:
    rows = np.zeros((30, 40))
    nested(rows)
    assert np.all(rows == 1)


def test_plain_python() -> None:
    seen: list[tuple[int, str]] = []
    run_tasks(lambda i, text: seen.append((i, text)), 3, "x")
    assert seen == [(0, "x"), (1, "x"), (2, "x")]

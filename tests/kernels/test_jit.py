"""How kernels are compiled: what the flags allow, where the code is kept, what is said about it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from numba import config

from scratchconv.kernels import _cache, _jit, _threads
from scratchconv.kernels._jit import helper, kernel, parallel_kernel, prange, threaded_kernel
from scratchconv.simd import run_tasks

ROOT = Path(__file__).parents[2]
compiled_only = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled under NUMBA_DISABLE_JIT")


@helper
def twice(x):
    return x + x


@kernel
def special(x, out):
    out[0] = np.isnan(x[0])
    out[1] = np.isinf(x[1])
    out[2] = (x[2] + np.float32(1)) - x[2]  # 0 for large numbers, 1 if sums may be reordered
    out[3] = x[3] / np.float32(0)
    out[4] = x[4] / x[5] * x[5]
    out[5] = twice(x[3])


@parallel_kernel
def squares(x, out):
    for i in prange(x.size):
        out[i] = twice(x[i]) * x[i] / 2


@kernel
def doubled(x, out):
    for i in range(x.size):
        out[i] = twice(x[i])


@helper
def cube(i, x, out):
    out[i] = x[i] * x[i] * x[i]


@threaded_kernel
def cubes(x, out):
    run_tasks(cube, x.size, x, out)


@compiled_only
def test_nan_infinity_and_the_order_of_sums_keep_their_meaning() -> None:
    x, out = np.array([np.nan, np.inf, 1e8, -2, 5, 3], np.float32), np.full(6, np.nan, np.float32)
    special(x, out)
    np.testing.assert_array_equal(out, [1, 1, 0, -np.inf, np.float32(5) / np.float32(3) * np.float32(3), -4])


@compiled_only
def test_a_helper_called_from_python_is_compiled_for_that() -> None:
    assert twice(np.float32(0.1)) == np.float32(0.2)
    assert twice(2.5) == 5.0
    assert len(twice.for_python.signatures) == 2
    assert twice.__name__ == "twice"


def test_a_kernel_for_known_types() -> None:
    for each in (cubes, doubled):
        x, out = np.arange(6, dtype=np.float32), np.zeros(6, np.float32)
        wanted = out.copy()
        each(x, wanted)
        _threads.enter()
        _jit.specialized(each, x, out)(x, out)
        np.testing.assert_array_equal(out, wanted)


@compiled_only
def test_quotients_in_a_loop_are_rounded_once() -> None:
    @kernel
    def thirds(x, out):
        for i in range(x.size):
            out[i] = x[i] / np.float32(3)

    x, out = np.arange(1000, dtype=np.float32), np.full(1000, np.nan, np.float32)
    thirds(x, out)
    np.testing.assert_array_equal(out, x / np.float32(3))


@compiled_only
def test_kernels_release_the_interpreter_and_are_kept_on_disk() -> None:
    before = config.CACHE_DIR
    plain = twice.__wrapped__
    parallel = parallel_kernel(squares.__wrapped__)
    assert helper(plain).dispatcher.stats.cache_path is None
    for dispatcher in (kernel(plain), helper(plain).for_python, parallel):
        assert dispatcher.targetoptions["nogil"]
        assert set(dispatcher.targetoptions["fastmath"]) <= {"contract", "nsz"}
        assert Path(dispatcher.stats.cache_path).is_relative_to(_cache.directory())
    assert config.CACHE_DIR == before  # other users of Numba in this process keep their own folder


def test_a_parallel_kernel_runs_and_keeps_its_name() -> None:
    x, out = np.arange(1000, dtype=np.float64), np.full(1000, np.nan)
    squares(x, out)
    np.testing.assert_array_equal(out, x**2)
    assert squares.__name__ == "squares"


def test_a_threaded_kernel_runs_and_keeps_its_name() -> None:
    x, out = np.arange(1000, dtype=np.float64), np.full(1000, np.nan)
    cubes(x, out)
    np.testing.assert_array_equal(out, x**3)
    assert cubes.__name__ == "cubes"


def test_nothing_is_compiled_when_numba_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "DISABLE_JIT", 1)
    assert helper(np.sum) is np.sum
    for decorator in (kernel, threaded_kernel, parallel_kernel):
        assert decorator(np.sum).dispatcher is np.sum and decorator(np.sum)([1, 2]) == 3


SCRIPT = """
import numpy as np, numba
numba.njit(lambda x: x + 1)(1)          # a user's own function
print("own", flush=True)
from scratchconv.kernels.conv2d import naive
x, w, how = np.ones((1, 2, 2, 1), np.float32), np.ones((1, 1, 1, 1), np.float32), ((1, 1), (0, 0), (1, 1), 1)
naive.forward(x, w, np.ones(1, np.float32), *how, x.copy())
naive.bias_grad(x, np.ones(1, np.float32))
"""


@compiled_only
def test_the_first_compilation_says_so_once_and_the_second_process_is_silent(tmp_path: Path) -> None:
    environment = os.environ | {"SCRATCHCONV_CACHE": str(tmp_path)}
    said = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "own\n"), done.stderr
        said.append(done.stderr.splitlines())
    folder = next(tmp_path.iterdir())
    assert said == [[f"scratchconv: compiling kernels for this CPU, once; they are kept in {folder}"], []]


def test_a_users_own_function_is_compiled_without_a_word(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_jit._CompileNotice, "said", False)
    assert numba.njit(lambda x: x + 1)(1) == 2
    assert capsys.readouterr().err == ""

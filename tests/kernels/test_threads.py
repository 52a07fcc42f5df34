"""Threads: how many, on which library, from several Python threads at once, after fork."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator
from importlib import metadata

import numba
import numpy as np
import pytest
import torch
from numba import config

from scratchconv.kernels import _threads
from scratchconv.kernels.conv2d import direct
from tests.kernels.conv2d.problem import FUNCTIONS, Problem, random_problem
from tests.strategies import ConvGeometry

compiled_only = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="plain Python has no parallel loops")


def has_tbb() -> bool:
    try:
        return metadata.version("tbb") != ""
    except metadata.PackageNotFoundError:
        return False


@pytest.fixture
def unchosen(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A process that has not chosen its threading library yet."""
    monkeypatch.setattr(_threads, "_layer_chosen", False)
    monkeypatch.setattr(config, "THREADING_LAYER", "default")
    monkeypatch.delenv("NUMBA_THREADING_LAYER", raising=False)
    yield monkeypatch


@pytest.fixture
def number() -> Iterator[int]:
    """The number of threads; restored afterwards."""
    before = _threads.get_num_threads()
    yield before
    _threads.set_num_threads(before)


@pytest.mark.parametrize("wrong", [0, -1, 1.0, 1.5, "2", None, True, 10**6])
def test_number_of_threads_is_checked(wrong: object, number: int) -> None:
    with pytest.raises(RuntimeError, match=f"from 1 to {config.NUMBA_NUM_THREADS}, got"):
        _threads.set_num_threads(wrong)  # type: ignore[arg-type]
    assert _threads.get_num_threads() == number
    if wrong != 10**6:  # PyTorch starts as many threads as it is told
        with pytest.raises(RuntimeError):
            torch.set_num_threads(wrong)  # type: ignore[arg-type]


@compiled_only
def test_number_of_threads_holds_in_every_python_thread(number: int) -> None:
    """Numba keeps a number for each Python thread; ours is one for all, also for threads that began before."""
    found: list[int] = []
    turns = [threading.Event() for _ in range(3)]

    def work() -> None:
        for turn in turns[:2]:
            turn.wait(60)
            _threads.enter()
            found.append(numba.get_num_threads())
            turns[2].set()

    other = threading.Thread(target=work)
    other.start()
    for turn, count in zip(turns[:2], (1, config.NUMBA_NUM_THREADS), strict=True):
        _threads.set_num_threads(count)
        turns[2].clear()
        turn.set()
        assert turns[2].wait(60)
        _threads.enter()
        assert (numba.get_num_threads(), found[-1], _threads.get_num_threads()) == (count, count, count)
    other.join()


@compiled_only
@pytest.mark.skipif(not has_tbb(), reason="no TBB wheel for this platform")
@pytest.mark.skipif("NUMBA_THREADING_LAYER" in os.environ, reason="another library was asked for")
def test_the_library_is_tbb() -> None:
    run_all(PROBLEMS[0])
    assert numba.threading_layer() == "tbb"


def test_without_tbb_a_warning_says_what_to_avoid(unchosen: pytest.MonkeyPatch) -> None:
    unchosen.setattr(_threads, "_load_tbb", lambda: False)
    with pytest.warns(RuntimeWarning, match="do not fork"):
        _threads._choose_layer()
    assert config.THREADING_LAYER == "omp"
    _threads._choose_layer()  # said once: a second warning would fail this test


def test_a_choice_of_the_user_is_respected(unchosen: pytest.MonkeyPatch) -> None:
    unchosen.setenv("NUMBA_THREADING_LAYER", "workqueue")
    unchosen.setattr(_threads, "_load_tbb", lambda: pytest.fail("looked for TBB"))
    _threads._choose_layer()
    assert config.THREADING_LAYER == "default"


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_tbb_is_looked_for_in_the_environment_first(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def load(name: str, mode: int) -> None:
        asked.append(name)
        raise OSError

    monkeypatch.setattr(_threads.ctypes, "CDLL", load)
    monkeypatch.setattr(_threads.sys, "platform", platform)
    assert not _threads._load_tbb()
    assert asked[0].startswith(_threads.sys.prefix)
    assert os.path.basename(asked[0]) == asked[1]


@compiled_only
def test_a_thread_that_comes_second_waits_for_the_choice(unchosen: pytest.MonkeyPatch) -> None:
    begun = threading.Event()

    def slow() -> bool:
        begun.set()
        time.sleep(0.3)
        return True

    unchosen.setattr(_threads, "_load_tbb", slow)
    first = threading.Thread(target=_threads._choose_layer)
    first.start()
    assert begun.wait(60)
    _threads.enter()
    assert config.THREADING_LAYER == "tbb"
    first.join()


PROBLEMS = [
    random_problem(ConvGeometry(6, (13, 12), 7, (3, 3), 20, padding=(1, 1))).astype(np.float32),
    random_problem(ConvGeometry(5, (16, 9), 10, (5, 3), 18, stride=(2, 1), padding=(1, 0))).astype(np.float32),
]


def run_all(problem: Problem) -> list[bytes]:
    """The bits of all four results."""
    results = []
    for function in FUNCTIONS:
        out = np.full(problem.shape(function), np.nan, problem.x.dtype)
        getattr(direct, function)(*problem.inputs(function), out)
        results.append(out.tobytes())
    return results


@compiled_only
def test_two_python_threads_at_once_get_their_own_results() -> None:
    wanted = [run_all(problem) for problem in PROBLEMS]
    wrong: list[int] = []
    together = threading.Barrier(2)

    def work(i: int) -> None:
        together.wait(60)
        for _ in range(40):
            if run_all(PROBLEMS[i]) != wanted[i]:
                wrong.append(i)

    workers = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert not wrong
    assert not any(worker.is_alive() for worker in workers)


def _child(wanted: list[bytes]) -> None:
    os._exit(0 if run_all(PROBLEMS[0]) == wanted else 1)


@compiled_only
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
@pytest.mark.skipif(not has_tbb(), reason="only TBB survives a fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python's, about any process with threads
def test_a_forked_child_runs_kernels_too() -> None:
    wanted = run_all(PROBLEMS[0])
    child = multiprocessing.get_context("fork").Process(target=_child, args=(wanted,))
    child.start()
    child.join(60)
    if child.is_alive():
        child.kill()
        pytest.fail("the child hangs")
    assert child.exitcode == 0
    assert run_all(PROBLEMS[0]) == wanted  # and the parent still does


def test_a_module_is_kept_for_ever() -> None:
    name = "tests.kernels.threads"
    module = importlib.import_module(name)
    before = sys.getrefcount(module)
    _threads._keep_for_ever(name)
    assert sys.getrefcount(module) == before + 1
    assert has_tbb() == ("numba.np.ufunc.tbbpool" in sys.modules)

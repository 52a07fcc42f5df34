"""What is taken down, what is not, and what a repetition reads."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from scratchconv.kernels import _tape, _threads
from scratchconv.kernels._tape import Scratch, Tape
from scratchconv.kernels.optimizer import naive


def scale(x: Any, y: Any) -> None:
    """A kernel that reads x and writes y: y -= 0.5 x."""
    naive.sgd(x, 0.5, 0.0, 0.0, False, 0.0, True, np.zeros_like(x), y)


def test_kernels_take_themselves_down_and_read_what_is_there_then() -> None:
    x, y = np.ones(3), np.zeros(3)
    with _tape.recording(Tape()) as tape:
        scale(x, y)
    assert len(tape.calls) == 1 and y.tolist() == [-0.5] * 3
    x[:] = 4
    _threads.enter()
    tape.replay()
    assert y.tolist() == [-2.5] * 3
    scale(x, y)  # no tape is running
    assert len(tape.calls) == 1


def test_other_calls_go_through_do_and_what_they_call_belongs_to_them() -> None:
    x, y = np.ones(2), np.zeros(2)
    with _tape.recording(Tape()) as tape:
        _tape.do(scale, x, y)
        with _tape.once():
            _tape.do(np.copyto, y, np.full(2, 8.0))
            assert _tape.current() is None
        _tape.do(np.add, y, x, y)
    assert [function for function, _ in tape.calls] == [scale, np.add]
    assert y.tolist() == [9, 9]
    tape.replay()
    assert y.tolist() == [9.5, 9.5]


@pytest.mark.parametrize("frozen", [False, True])
def test_what_is_prepared_stays_where_weights_do(frozen: bool) -> None:
    weights, order = np.ones(2), np.zeros(2)
    with _tape.recording(Tape(frozen=frozen)) as tape, _tape.preparing():
        _tape.do(np.copyto, order, weights)
    assert order.tolist() == [1, 1] and len(tape.calls) == 1 - frozen


def test_without_a_tape_things_happen() -> None:
    y = np.zeros(2)
    with _tape.preparing():
        _tape.do(y.fill, 3)
    assert y.tolist() == [3, 3]


def test_a_failing_call_is_not_taken_down() -> None:
    tape = Tape()
    with pytest.raises(ZeroDivisionError), _tape.recording(tape):
        _tape.do(lambda: 1 / 0)
    assert tape.calls == [] and _tape.current() is None


def test_each_thread_has_its_own_tape() -> None:
    seen: list[Any] = []
    with _tape.recording(Tape()) as tape:
        thread = threading.Thread(target=lambda: seen.append(_tape.current()))
        thread.start()
        thread.join()
        assert _tape.current() is tape
    assert seen == [None]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (16,), (3, 5, 7)])
def test_scratch_begins_on_a_cache_line(shape: tuple[int, ...], dtype: type) -> None:
    with _tape.recording(Tape()):
        taped = _tape.scratch(shape, dtype)
    for x in (taped, _tape.scratch(shape, dtype)):
        assert (x.shape, x.dtype) == (shape, dtype)
        assert x.ctypes.data % 64 == 0 and x.flags.c_contiguous and x.flags.writeable


def test_scratch_is_given_out_again_to_the_next_tape() -> None:
    shared = Scratch()
    with _tape.recording(Tape(shared)):
        one, two = _tape.scratch((100,), np.float32), _tape.scratch((10,), np.float32)
        assert not np.may_share_memory(one, two)
    with _tape.recording(Tape(shared)):
        three, four = _tape.scratch((50,), np.float64), _tape.scratch((1000,), np.float64)
    assert np.may_share_memory(one, three) and not np.may_share_memory(two, four)  # there was no room
    assert not np.may_share_memory(three, four)

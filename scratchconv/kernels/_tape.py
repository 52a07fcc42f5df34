"""Calls taken down while they are made, to be made again on the same arrays.

The steps of a network launch the same kernels on the same memory in every call; only the numbers there differ. What
Python does around them (which algorithm, how the work is cut, which array is whose) takes as long as the kernels of a
small layer, and need not be done twice:

    with _tape.recording(Tape()) as tape:
        ...                      # launches kernels
    tape.replay()                # launches them again, on whatever numbers their arrays hold now

Each kernel that is launched takes itself down (``_jit``), bound to its arguments. Everything else that reads numbers
goes through ``do``; what may stay as it was the first time stands under ``once``. CUDA knows this as stream capture.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Call = tuple[Callable[..., Any], tuple[Any, ...]]


class Scratch:
    """Memory for what is dead when a step has ended; the next one finds it in cache."""

    def __init__(self) -> None:
        self._blocks: list[Any] = []
        self._next = 0

    def start(self) -> None:
        """Give all memory out again."""
        self._next = 0

    def take(self, size: int) -> Any:
        """Return ``size`` bytes that no one has been given since ``start``."""
        if self._next == len(self._blocks):
            self._blocks.append(np.empty(0, np.uint8))
        if self._blocks[self._next].size < size:
            self._blocks[self._next] = np.empty(size, np.uint8)
        self._next += 1
        return self._blocks[self._next - 1][:size]


class Tape:
    """The calls of one step in their order. Its scratch is that of the step before, given out again."""

    def __init__(self, scratch: Scratch | None = None, *, frozen: bool = False) -> None:
        self.calls: list[Call] = []
        self.scratch = Scratch() if scratch is None else scratch
        self.scratch.start()
        self.frozen = frozen  # whether weights and coefficients stay as they are

    def replay(self) -> None:
        """Make all calls again. The caller prepares the thread (``_threads.enter``)."""
        for function, arguments in self.calls:
            function(*arguments)


class _State(threading.local):
    tape: Tape | None = None  # the one that is running in this thread


_state = _State()


def current() -> Tape | None:
    """Return the tape that is running in this thread."""
    return _state.tape


@contextlib.contextmanager
def recording(tape: Tape) -> Iterator[Tape]:
    """Take down all calls inside, at the end of ``tape``."""
    with _running(tape):
        yield tape


@contextlib.contextmanager
def once() -> Iterator[None]:
    """Take down nothing inside: it happens now, and not in repetitions."""
    with _running(None):
        yield


@contextlib.contextmanager
def preparing() -> Iterator[None]:
    """Inside, weights and coefficients are brought into the kernels' order: once, if the tape is ``frozen``."""
    with _running(None if _state.tape is None or _state.tape.frozen else _state.tape):
        yield


def do(function: Callable[..., Any], *arguments: Any) -> None:
    """Call a function now and in every repetition; what it calls belongs to it and is not taken down."""
    tape = _state.tape
    if tape is None:
        function(*arguments)
        return
    with _running(None):
        function(*arguments)
    tape.calls.append((function, arguments))


def scratch(shape: tuple[int, ...], dtype: Any) -> Any:
    """Return an uninitialised array that begins on a cache line, for what is dead when a launch is over."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + 64, np.uint8) if _state.tape is None else _state.tape.scratch.take(size + 64)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


@contextlib.contextmanager
def _running(tape: Tape | None) -> Iterator[None]:
    before, _state.tape = _state.tape, tape
    try:
        yield
    finally:
        _state.tape = before

"""How kernels are compiled: the only place with JIT flags.

``kernel``, ``threaded_kernel`` and ``parallel_kernel`` mark the functions that ops call, ``helper`` those that kernels
call. Kernels, with the helpers inside them, are cached on disk, under a folder named after the CPU and a digest of
every source file of ``simd`` and ``kernels``: Numba's own cache looks only at the file of the cached function, so an
edit elsewhere would otherwise leave stale machine code.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numba
from numba import config, prange, types
from numba.core import event

from scratchconv.kernels import _cache, _linked, _tape, _threads

__all__ = ["helper", "inner", "kernel", "parallel_kernel", "prange", "specialized", "threaded_kernel"]

# FMA contraction and signed zeros only: NaN and infinity keep their meaning, no sum is reordered, and a quotient is
# rounded once ("arcp" would turn x / 3 in a loop into x * (1 / 3), which differs from PyTorch in the last bit).
_FLAGS = {"fastmath": {"contract", "nsz"}, "error_model": "numpy", "nogil": True}


def _compile(function: Callable[..., Any], *, cache: bool = True, **flags: Any) -> Any:
    """Compile lazily, with the cache folder of this CPU and these sources."""
    if config.DISABLE_JIT:
        return function
    previous = config.CACHE_DIR
    config.CACHE_DIR = str(_cache.directory())
    try:
        return numba.njit(function, cache=cache, **_FLAGS, **flags)
    finally:
        config.CACHE_DIR = previous


class _Helper:
    """A function in two compiled forms: kernels call one that Python cannot call, and that compiles faster.

    Only the other may be kept on disk: Numba's cache does not tell them apart. Kernels that are kept hold what they
    need of their helpers.
    """

    def __init__(self, function: Callable[..., Any], **flags: Any) -> None:
        if _linked.PIPELINE is not None:
            flags["pipeline_class"] = _linked.PIPELINE
        self.dispatcher = _compile(function, cache=False, no_cfunc_wrapper=True, no_cpython_wrapper=True, **flags)
        self.py_func = function
        self._numba_type_ = types.Dispatcher(self.dispatcher)  # what Numba takes this object for
        functools.update_wrapper(self, function)

    @functools.cached_property
    def for_python(self) -> Any:
        """The form that Python can call; tests do."""
        return _compile(self.py_func, no_cfunc_wrapper=True)

    def __call__(self, *arguments: Any) -> Any:
        return self.for_python(*arguments)


def helper(function: Callable[..., Any]) -> Any:
    """Compile a function that kernels call."""
    return function if config.DISABLE_JIT else _Helper(function)


def inner(function: Callable[..., Any]) -> Any:
    """Compile a helper that neither makes nor returns arrays, nor calls one that does.

    It counts no references to its arguments' arrays. Elsewhere Numba does wherever an array is taken out of a named
    tuple: an atomic instruction each time, which can cost more than the row of pixels that it is for.
    """
    return function if config.DISABLE_JIT else _Helper(function, _nrt=False)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a serial kernel that ops call."""
    return _Kernel(_compile(function, no_cfunc_wrapper=True), function)


def threaded_kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel whose ``run_tasks`` runs on the threads of ``scratchconv.set_num_threads``.

    A task is a helper that does one piece of the work. Compiles several times faster than a ``prange``.
    """
    return _Kernel(_compile(function, no_cfunc_wrapper=True), function, _threads.enter)


def parallel_kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel whose ``prange`` runs on the threads of ``scratchconv.set_num_threads``."""
    return _Kernel(_compile(function, parallel=True, no_cfunc_wrapper=True), function, _threads.enter)


class _Kernel:
    """What Python calls: it prepares the thread by ``enter``, and tells the tape that is running, if one is."""

    def __init__(self, compiled: Any, function: Callable[..., Any], enter: Callable[[], None] | None = None) -> None:
        self.dispatcher, self._enter = compiled, enter
        functools.update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        if self._enter is not None:
            self._enter()
        tape = _tape.current()
        if tape is None:
            return self.dispatcher(*arguments)
        with _tape.once():  # without a compiler, a kernel may call others
            result = self.dispatcher(*arguments)
        tape.calls.append((specialized(self, *arguments), arguments))
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["dispatcher"], name)  # all that Numba offers


def specialized(kernel: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """Return the machine code of ``kernel`` for arguments of the types of these.

    Numba looks at the types of all arguments in every call; several named tuples take it longer than the convolution
    of a small image. A caller that knows the types never change may skip that. Before a threaded kernel it calls
    ``_threads.enter()``.
    """
    dispatcher: Any = getattr(kernel, "dispatcher", kernel)
    if config.DISABLE_JIT:
        plain: Callable[..., Any] = dispatcher
        return plain
    found: Callable[..., Any] = dispatcher.compile(tuple(dispatcher.typeof_pyval(value) for value in arguments))
    return found


class _CompileNotice(event.Listener):
    """Says once, on the first real compilation of a kernel, why the program is waiting."""

    said = False

    def on_start(self, event: Any) -> None:
        ours = event.data["dispatcher"].py_func.__module__.startswith("scratchconv.")
        if ours and not _CompileNotice.said:
            _CompileNotice.said = True
            where = _cache.directory()
            print(f"scratchconv: compiling kernels for this CPU, once; they are kept in {where}", file=sys.stderr)

    def on_end(self, event: Any) -> None:
        """Nothing to say."""


event.register("numba:compile", _CompileNotice())

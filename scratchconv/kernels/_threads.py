"""Threads: which library runs them and how many."""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
import threading
import warnings
from pathlib import Path

import numba
from numba import config

_state = threading.local()
_wanted = int(config.NUMBA_NUM_THREADS)
_layer_chosen = False
_lock = threading.Lock()


def set_num_threads(n: int) -> None:
    """Run kernels on ``n`` threads from now on, in every Python thread of this process.

    Results do not depend on ``n``: every reduction has a fixed order.

    Raises
    ------
    RuntimeError
        If ``n`` is not an integer between 1 and the number of threads Numba was started with.
    """
    global _wanted
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= config.NUMBA_NUM_THREADS:
        raise RuntimeError(f"the number of threads must be an integer from 1 to {config.NUMBA_NUM_THREADS}, got {n!r}")
    _wanted = n


def get_num_threads() -> int:
    """The number of threads kernels run on."""
    return _wanted


def enter() -> None:
    """Prepare the calling Python thread for a parallel kernel (Numba keeps its thread count per Python thread)."""
    if not _layer_chosen:
        _choose_layer()
    if getattr(_state, "count", None) != _wanted:
        numba.set_num_threads(_wanted)
        _state.count = _wanted


def _choose_layer() -> None:
    """Choose Intel TBB, the one layer that is safe for concurrent callers, after fork, and on busy machines."""
    global _layer_chosen
    with _lock:
        if _layer_chosen:
            return
        _keep_scratch_mapped()
        if "NUMBA_THREADING_LAYER" in os.environ:
            pass
        elif _load_tbb():
            config.THREADING_LAYER = "tbb"
            _keep_for_ever("numba.np.ufunc.tbbpool")
        else:
            config.THREADING_LAYER = "omp"
            warnings.warn(
                "scratchconv: no TBB library found, threads run on OpenMP: "
                "do not fork after the first kernel, and expect less speed on a busy machine",
                RuntimeWarning,
                stacklevel=4,
            )
        _layer_chosen = True  # last: other threads enter without the lock from here on


def _keep_for_ever(name: str) -> None:
    """Import a module that Python shall not clear away at its end.

    Numba's pool of threads waits for them when its module goes, and we saw a process wait for ever there: its work was
    done, its last thread asleep in ``unload_tbb``. The operating system ends threads as well.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(importlib.import_module(name)))


def _keep_scratch_mapped() -> None:
    """Let glibc serve the kernels' scratch, a few hundred KiB a task, from memory that it already has.

    It would otherwise map and unmap blocks above 128 KiB in every call, and a page fault for each 4 KiB costs more
    than the convolution of a small layer. Other C libraries have no such limit, and no ``mallopt``.
    """
    mmap_threshold, trim_threshold = -3, -1  # parameters of mallopt(3)
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_threshold, 32 << 20)
        libc.mallopt(trim_threshold, 128 << 20)
    except (OSError, AttributeError, TypeError):
        return


def _load_tbb() -> bool:
    """Load pip's TBB (which lies where no loader looks for it) or the system's."""
    if sys.platform == "win32":
        names = [str(Path(sys.prefix, "Library", "bin", "tbb12.dll")), "tbb12.dll"]
    elif sys.platform == "darwin":
        names = [str(Path(sys.prefix, "lib", "libtbb.12.dylib")), "libtbb.12.dylib"]
    else:
        names = [str(Path(sys.prefix, "lib", "libtbb.so.12")), "libtbb.so.12"]
    for name in names:
        try:
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return True
    return False

"""Helpers that are linked into kernels compute what ordinary functions do, and take less time to compile."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from numba import config
from numba.core.compiler_lock import global_compiler_lock

from scratchconv.kernels import _jit, _linked

compiled_only = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled under NUMBA_DISABLE_JIT")


@_jit.helper
def grown(x):
    out = np.empty(x.size, x.dtype)
    for i in range(x.size):
        out[i] = x[i] * 2 + 1
    return out


@_jit.inner
def largest(x):
    found = x[0]
    for i in range(1, x.size):
        found = max(found, x[i])
    return found


@_jit.kernel
def composed(x, out):
    out[:] = grown(grown(x))
    out[0] = largest(out)


def results() -> tuple[np.ndarray, np.ndarray]:
    x, out = np.arange(5.0), np.zeros(5)
    composed(x, out)
    return out, np.concatenate([[19.0], (x * 4 + 3)[1:]])


def test_helpers_of_helpers() -> None:
    found, wanted = results()
    np.testing.assert_array_equal(found, wanted)


@compiled_only
def test_a_helper_has_no_machine_code_of_its_own() -> None:
    results()
    assert _linked.PIPELINE is not None  # this version of Numba is known
    (compiled,) = grown.dispatcher.overloads.values()
    with global_compiler_lock:
        assert compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name) == 0


@compiled_only
def test_without_the_pipeline_helpers_compile_as_any_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_linked, "PIPELINE", None)
    plain: Any = _jit.helper(largest.py_func)

    @numba.njit
    def call(x):  # type: ignore[no-untyped-def]
        return plain(x)

    assert call(np.array([1.0, 5.0, 2.0])) == 5.0

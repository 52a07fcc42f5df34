"""Every kernel on tiny shapes, as plain Python: ``NUMBA_DISABLE_JIT=1 pytest tests/jitless``.

Without the compiler a debugger and line coverage see the loops, and an index beyond the end of an array is an error
instead of a stray read. With it, ``pytest`` runs this folder once more in a process of its own; compiled kernels are
the subject of ``tests/kernels``.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import config

from scratchconv.kernels.conv2d import _winograd_plan
from tests.jitless.cases import CASES, Case, Maker
from tests.test_architecture import algorithms, operations, tree

plain = pytest.mark.skipif(not config.DISABLE_JIT, reason="plain Python only: set NUMBA_DISABLE_JIT=1")

# The longest sum adds 1024 products of numbers near one in another order than naive: partial sums near 30, rounded 1024
# times by up to 6e-8 of themselves, wander by about 6e-5 in float32 and 1e-13 in float64. A missing product is near 1.
TOLERANCE = {np.float32: 2e-4, np.float64: 1e-12}

# Algorithms of limited use, and the kind of case they serve.
LIMITED = {("conv2d", algorithm): algorithm for algorithm in ("depthwise", "dilated", "rows", "winograd")}

# What decides where work is cut, made so small that tiny shapes are cut as well.
SMALL_BLOCKS: dict[tuple[str, str], dict[str, Any]] = {
    ("batch_norm", "vector"): {"BLOCK": 64, "SAMPLE": 1},
    ("conv2d", "depthwise"): {"simd.cache_bytes": lambda level: 256},
    ("conv2d", "dilated"): {"simd.cache_bytes": lambda level: 256},
    ("conv2d", "direct"): {"simd.cache_bytes": lambda level: 256},
    ("conv2d", "rows"): {"simd.cache_bytes": lambda level: 256},
    ("conv2d", "winograd"): {"simd.cache_bytes": lambda level: 256},
    ("cross_entropy", "rows"): {"BLOCK": 8},
    ("elementwise", "vector"): {"SPAN": 8},
    ("matmul", "tiled"): {"SMALL": 20, "DEPTH": 2, "ROWS": 12, "PIECES": 64},
    ("reduction", "blocked"): {"CHUNK": 8, "COLUMNS": 4, "RUN": 4},
}


def module(operation: str, algorithm: str) -> Any:
    return importlib.import_module(f"scratchconv.kernels.{operation}.{algorithm}")


def names(operation: str) -> list[str]:
    """All algorithms of an operation, the contract first."""
    return ["naive", *(path.stem for folder in operations() if folder.name == operation for path in algorithms(folder))]


def results(operation: str, algorithm: str, case: Case) -> list[np.ndarray]:
    outputs = [output.copy() for output in case.outputs]
    before = [value.copy() for value in case.inputs if isinstance(value, np.ndarray)]
    with np.errstate(all="ignore"):  # unused lanes of a tail divide zero by zero, which compiled code does silently
        getattr(module(operation, algorithm), case.function)(*case.inputs, *outputs)
    after = [value for value in case.inputs if isinstance(value, np.ndarray)]
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True)), "an input was changed"
    return outputs


@plain
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("operation", "algorithm"), [(o, a) for o in sorted(CASES) for a in names(o)])
def test_equals_the_contract(operation: str, algorithm: str, dtype: type) -> None:
    for case in CASES[operation](Maker(dtype)):
        if LIMITED.get((operation, algorithm), case.kind) != case.kind:
            continue
        wanted, found = results(operation, "naive", case), results(operation, algorithm, case)
        for a, b in zip(found, wanted, strict=True):
            assert np.isfinite(a).all(), f"{case.function}: part of the output was not written"
            np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype], err_msg=case.function)


def forget_plans() -> None:
    """Plans are remembered by shape: the size of the caches counts as constant."""
    _winograd_plan.forward.cache_clear()
    _winograd_plan.backward.cache_clear()


@plain
@pytest.mark.parametrize(("operation", "algorithm"), SMALL_BLOCKS)
def test_equals_the_contract_where_work_is_cut(operation: str, algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL_BLOCKS[operation, algorithm].items():
        monkeypatch.setattr(f"scratchconv.kernels.{operation}.{algorithm}.{name}", value)
    forget_plans()
    test_equals_the_contract(operation, algorithm, np.float32)
    forget_plans()


@plain
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_optimizers_update_a_table_of_parameters_as_one_by_one(dtype: type) -> None:
    vector, make = module("optimizer", "vector"), Maker(dtype)
    grads, states, others, params = ([make.positive(n) for n in (3, 21, 1)] for _ in range(4))
    one_by_one = [[array.copy() for array in arrays] for arrays in (states, others, params)]

    def table(*arrays: list[np.ndarray]) -> np.ndarray:
        return np.array([[row[0].size, *map(vector.address, row)] for row in zip(*arrays, strict=True)])

    vector.sgd_all(params[0], table(grads, states, params), 0.1, 0.9, 0.0, True, 0.01, False)
    vector.adam_all(params[0], table(grads, states, others, params), 2, 0.1, 0.9, 0.999, 1e-8, 0.01)
    for grad, state, other, param in zip(grads, *one_by_one, strict=True):
        vector.sgd(grad, 0.1, 0.9, 0.0, True, 0.01, False, state, param)
        vector.adam(grad, 2, 0.1, 0.9, 0.999, 1e-8, 0.01, state, other, param)
    for all_at_once, alone in zip((states, others, params), one_by_one, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(all_at_once, alone, strict=True))


def test_covers_every_function_of_every_contract() -> None:
    wanted = {
        (folder.name, node.name)
        for folder in operations()
        for node in tree(folder / "naive.py").body
        if hasattr(node, "args") and not node.name.startswith("_")
    }
    found = {(operation, case.function) for operation, make in CASES.items() for case in make(Maker(np.float32))}
    assert found == wanted


@plain
def test_nothing_is_compiled() -> None:
    assert not hasattr(module("conv2d", "naive").forward, "py_func")


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="this is that process")
def test_passes_without_the_compiler() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__).parent)]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]

"""The tests of this folder on other machines: vector widths, a CPU without AVX-512, no compiler at all.

Whether a CPU has AVX-512 or not, its own width is tested by the ordinary run. LLVM splits a vector that is wider than
the machine's registers, so every width runs everywhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scratchconv.simd import _cpu

ROOT = Path(__file__).parents[2]
SUITE = [f"tests/simd/test_{name}.py" for name in ("vector", "tile", "product", "transform", "types", "address")]
HASWELL = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx2,+avx,+fma,+bmi,+bmi2,+lzcnt,+popcnt,+f16c,+sse4.2,-avx512f",
}
MACHINES: dict[str, tuple[dict[str, str], int]] = {  # environment, bytes of a vector
    "without AVX-512": (HASWELL, 32),
    "narrow vectors": ({"SCRATCHCONV_VECTOR_BYTES": "16"}, 16),
    "wide vectors": ({"SCRATCHCONV_VECTOR_BYTES": "64"}, 64),
    "plain Python": ({"NUMBA_DISABLE_JIT": "1"}, 0),
}


def run(environment: dict[str, str], *arguments: str) -> str:
    """Output of a Python process; its error output, should it fail."""
    ours = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_DISABLE_JIT", "SCRATCHCONV_VECTOR_BYTES")
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=clean | environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("machine", MACHINES)
def test_suite_passes(machine: str, tmp_path: Path) -> None:
    environment, width = MACHINES[machine]
    if machine == "without AVX-512" and "avx2" not in _cpu.features():
        pytest.skip("this CPU does not run AVX2 code")
    environment = {**environment, "SCRATCHCONV_CACHE": str(tmp_path)}
    if width:
        assert run(environment, "-c", "from scratchconv import simd; print(simd.vector_bytes())").strip() == str(width)
    report = run(environment, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITE)
    assert " passed" in report


COUNTS = """
import numpy as np
from scratchconv import simd
from tests.simd.test_tile import fill_tiles
shape = simd.TileShape(4, 2, np.float32)
y = np.zeros((2, 999), np.float32)
fill_tiles(shape, np.arange(99, dtype=np.float32), 2, 99 * np.arange(5), y)
assert y[0, 7 + 99] == 2 and y[0, 7 + 99 * 4 + 1] == 3
print(sum(fill_tiles.stats.cache_hits.values()), sum(fill_tiles.stats.cache_misses.values()))
"""


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    """Numba's cache has to recognise the types made here: a tile shape in a signature is loaded from disk."""
    environment = {"SCRATCHCONV_CACHE": str(tmp_path)}
    assert run(environment, "-c", COUNTS).split() == ["0", "1"]
    assert run(environment, "-c", COUNTS).split() == ["1", "0"]
    wider = environment | {"SCRATCHCONV_VECTOR_BYTES": "64" if _cpu.vector_bytes() < 64 else "32"}
    assert run(wider, "-c", COUNTS).split() == ["0", "1"]

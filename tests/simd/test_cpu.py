"""What the CPU offers, and the environment variables that say otherwise."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numba import config

from scratchconv import simd
from scratchconv.simd import _cpu


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Forget what was found out about this CPU, before and after."""
    monkeypatch.delenv("SCRATCHCONV_VECTOR_BYTES", raising=False)
    for function in (_cpu.features, _cpu.cache_bytes, _cpu.vector_bytes):
        function.cache_clear()
    yield monkeypatch
    for function in (_cpu.features, _cpu.cache_bytes, _cpu.vector_bytes):
        function.cache_clear()


@pytest.mark.parametrize(
    ("features", "width"),
    [("+avx512f,+avx2,+fma", 64), ("+avx2,+fma,-avx512f", 32), ("+avx2,-fma", 16), ("+sse2", 16), ("", 16)],
)
def test_vector_width_follows_the_features(cpu: pytest.MonkeyPatch, features: str, width: int) -> None:
    cpu.setattr(config, "CPU_FEATURES", features)
    assert simd.vector_bytes() == width
    assert simd.lanes(np.float32) == width // 4
    assert simd.lanes("float64") == width // 8


def test_forced_width_wins_and_must_be_a_width(cpu: pytest.MonkeyPatch) -> None:
    for width in (16, 32, 64):
        cpu.setenv("SCRATCHCONV_VECTOR_BYTES", str(width))
        _cpu.vector_bytes.cache_clear()
        assert simd.vector_bytes() == width
    for wrong in ("8", "48", "wide"):
        cpu.setenv("SCRATCHCONV_VECTOR_BYTES", wrong)
        _cpu.vector_bytes.cache_clear()
        with pytest.raises(ValueError, match=f"16, 32 or 64, got '{wrong}'"):
            simd.vector_bytes()


def test_number_of_registers(cpu: pytest.MonkeyPatch) -> None:
    cpu.setattr(platform, "machine", lambda: "arm64")
    cpu.setattr(config, "CPU_FEATURES", "+neon")
    assert simd.vector_registers() == 32
    cpu.setattr(platform, "machine", lambda: "x86_64")
    assert simd.vector_registers() == 16
    _cpu.features.cache_clear()
    cpu.setattr(config, "CPU_FEATURES", "+avx512f")
    assert simd.vector_registers() == 32


def test_name_is_the_one_numba_compiles_for(cpu: pytest.MonkeyPatch) -> None:
    cpu.setattr(config, "CPU_NAME", None)
    assert _cpu.name() not in ("", "None")
    cpu.setattr(config, "CPU_NAME", "haswell")
    assert _cpu.name() == "haswell"


def test_cache_sizes_are_read_from_sysfs(cpu: pytest.MonkeyPatch, tmp_path: Path) -> None:
    caches = [("1", "Data", "48K"), ("1", "Instruction", "64K"), ("2", "Unified", "2048K"), ("3", "Unified", "?")]
    for i, values in enumerate(caches):
        folder = tmp_path / f"index{i}"
        folder.mkdir()
        for name, value in zip(("level", "type", "size"), values, strict=True):
            (folder / name).write_text(value + "\n")
    cpu.setattr(_cpu, "Path", lambda _: tmp_path)
    assert (simd.cache_bytes(1), simd.cache_bytes(2)) == (48 * 1024, 2048 * 1024)


def test_cache_sizes_where_nobody_knows(cpu: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "index0").mkdir()  # without files
    cpu.setattr(_cpu, "Path", lambda _: tmp_path)
    assert (simd.cache_bytes(1), simd.cache_bytes(2)) == (32 * 1024, 512 * 1024)

"""What the CPU offers: vector width, number of vector registers, cache sizes."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import numpy.typing as npt
from numba import config

_KIB = 1024


def name() -> str:
    """LLVM's name of the CPU that Numba compiles for (``NUMBA_CPU_NAME`` overrides it)."""
    return str(config.CPU_NAME or llvm.get_host_cpu_name())


@functools.cache
def features() -> frozenset[str]:
    """The enabled CPU features, such as ``avx2`` (``NUMBA_CPU_FEATURES`` overrides them)."""
    if config.CPU_FEATURES is not None:
        flags = str(config.CPU_FEATURES).split(",")
        return frozenset(flag[1:] for flag in flags if flag.startswith("+"))
    return frozenset(flag for flag, on in llvm.get_host_cpu_features().items() if on)


@functools.cache
def vector_bytes() -> int:
    """Bytes of a vector: 64 with AVX-512, 32 with AVX2, else 16 (NEON, SSE).

    ``SCRATCHCONV_VECTOR_BYTES`` forces 16, 32 or 64: LLVM splits a vector that is wider than the machine's registers,
    so every width runs everywhere. Tests use it.
    """
    if forced := os.environ.get("SCRATCHCONV_VECTOR_BYTES"):
        if forced not in ("16", "32", "64"):
            raise ValueError(f"SCRATCHCONV_VECTOR_BYTES must be 16, 32 or 64, got {forced!r}")
        return int(forced)
    return register_bytes()


def register_bytes() -> int:
    """Bytes of one vector register of this machine."""
    if "avx512f" in features():
        return 64
    return 32 if {"avx2", "fma"} <= features() else 16


def vector_registers() -> int:
    """Number of vector registers: 32 with AVX-512 and on ARM, else 16. They bound the size of a register tile."""
    if "avx512f" in features() or platform.machine().lower() in ("aarch64", "arm64"):
        return 32
    return 16


def lanes(dtype: npt.DTypeLike) -> int:
    """Elements of ``dtype`` in one vector."""
    return vector_bytes() // np.dtype(dtype).itemsize


@functools.cache
def cache_bytes(level: int) -> int:
    """Size of one core's data cache of ``level`` 1 or 2, from Linux's sysfs; 32 KiB and 512 KiB where it is silent."""
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            kind, at = (index / "type").read_text().strip(), int((index / "level").read_text())
            size = (index / "size").read_text().strip()
        except (OSError, ValueError):
            continue
        if at == level and kind != "Instruction":
            return int(size.removesuffix("K")) * _KIB
    return {1: 32 * _KIB, 2: 512 * _KIB}[level]

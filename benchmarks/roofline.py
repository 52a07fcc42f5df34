"""The machine's ceilings, measured: multiply-adds in registers, and reading and copying from each level of memory."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from benchmarks.loops import Fma, Stream
from benchmarks.timing import Probe, rounded, rounds, sampler
from scratchconv import simd

MEMORY = 256 << 20  # bytes that no cache of a core holds, unless the machine tells of a larger one
PASSES = 64 << 20  # bytes that one sample reads at least


def fma_peak(probe: Probe, count: int = 7) -> float:
    """GFLOP/s of one thread that does nothing but multiply-adds on registers: the best of ``count`` samples."""
    loop = Fma(200_000)
    return loop.flop / rounds({"fma": sampler(loop)}, count, probe).fastest("fma") / 1e9


def levels() -> dict[str, int]:
    """Bytes of a working set that lies in each level: half of a cache, and far more than the last one."""
    sizes = {"L1": simd.cache_bytes(1) // 2, "L2": simd.cache_bytes(2) // 2}
    last = last_cache_bytes()
    if last:
        sizes["L3"] = last // 4
    return {**sizes, "DRAM": max(MEMORY, 4 * last)}


def last_cache_bytes() -> int:
    """Size of the third-level cache, 0 where the system does not tell."""
    try:
        return simd.cache_bytes(3)
    except KeyError:
        return 0


def bandwidth(probe: Probe, count: int = 5) -> dict[str, dict[str, float]]:
    """GB/s of one thread, ``{level: {"read": …, "copy": …}}``; a copy counts both what it reads and what it writes."""
    result = {}
    for level, size in levels().items():
        loops = {
            "read": Stream(size, max(1, PASSES // size), copy=False),
            "copy": Stream(size // 2, max(1, PASSES // size), copy=True),
        }
        timing = rounds({name: sampler(loop) for name, loop in loops.items()}, count, probe)
        result[level] = {name: rounded(loop.bytes / timing.fastest(name) / 1e9) for name, loop in loops.items()}
    return result


def measure(probe: Probe, quick: bool = False) -> dict[str, Any]:
    """All ceilings of one thread."""
    return {
        "peak_gflops": rounded(fma_peak(probe, 2 if quick else 9)),
        "bandwidth_gbs": bandwidth(probe, 1 if quick else 5),
        "working_set_bytes": levels(),
    }


def table(document: dict[str, Any]) -> Table:
    """Draw the ceilings."""
    result = Table(title=f"One thread: {document['peak_gflops']:.0f} GFLOP/s of multiply-adds on registers")
    for column in ("memory", "working set, KiB", "read, GB/s", "copy, GB/s"):
        result.add_column(column, justify="left" if column == "memory" else "right")
    for level, speeds in document["bandwidth_gbs"].items():
        size = document["working_set_bytes"][level] // 1024
        result.add_row(level, f"{size}", f"{speeds['read']:.0f}", f"{speeds['copy']:.0f}")
    return result

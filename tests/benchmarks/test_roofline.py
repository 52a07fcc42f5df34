"""The ceilings of the machine."""

from __future__ import annotations

import pytest

from benchmarks import roofline
from scratchconv import simd


def test_working_sets_fit_their_level_and_not_the_one_before() -> None:
    sizes = list(roofline.levels().values())
    assert sizes == sorted(sizes) and sizes[0] < simd.cache_bytes(1) < sizes[1] < simd.cache_bytes(2)
    assert sizes[-1] >= 4 * roofline.last_cache_bytes()


def test_a_machine_that_does_not_tell_of_a_third_level(monkeypatch: pytest.MonkeyPatch) -> None:
    def two_levels(level: int) -> int:
        return {1: 32 << 10, 2: 512 << 10}[level]

    monkeypatch.setattr(simd, "cache_bytes", two_levels)
    assert roofline.levels() == {"L1": 16 << 10, "L2": 256 << 10, "DRAM": roofline.MEMORY}


def test_table_shows_every_level() -> None:
    document = {
        "peak_gflops": 250.0,
        "bandwidth_gbs": {"L1": {"read": 400.0, "copy": 300.0}},
        "working_set_bytes": {"L1": 16384},
    }
    table = roofline.table(document)
    assert "250" in str(table.title) and table.row_count == 1

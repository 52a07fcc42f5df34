"""Scaling: what varies, and one small point."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import scaling, worker
from benchmarks.convolution import DIRECTIONS
from benchmarks.effort import Effort
from benchmarks.timing import Probe


def test_covers_the_ranges() -> None:
    points = list(scaling.shapes())
    ranges = {varied: [v for name, v, _ in points if name == varied] for varied, _, _ in points}
    ends = {varied: (min(values), max(values)) for varied, values in ranges.items()}
    assert ends == {"batch": (1, 512), "image side": (8, 224), "channels": (1, 256)}


def test_a_point_has_all_directions(probe: Probe, quick: Effort) -> None:
    shape = replace(scaling.BASE, batch=1, side=6)
    rows = scaling.measure_point("image side", 6, shape, probe, quick)
    assert [row["direction"] for row in rows] == list(DIRECTIONS)
    for row in rows:
        assert row["other_gflops"] == pytest.approx(row["gflops"] / row["ratio"]["median"], rel=1e-2)
    assert scaling.table({"scaling": rows}).row_count == 3


def test_threads_run_in_processes(monkeypatch: pytest.MonkeyPatch, probe: Probe, quick: Effort) -> None:
    monkeypatch.setattr(worker, "PAUSE", 0.0)
    monkeypatch.setattr(scaling, "CONTENDERS", ("scratchconv", "PyTorch NCHW"))
    monkeypatch.setattr(scaling, "LAYOUTS", {"PyTorch NCHW": None})
    rows = scaling.measure_threads(replace(scaling.BASE, batch=1, side=6), 2, probe, quick)
    assert [(row["varied"], row["value"], row["direction"]) for row in rows] == [("threads", 2, d) for d in DIRECTIONS]

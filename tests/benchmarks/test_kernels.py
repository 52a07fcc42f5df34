"""The article's layers and the ladder, on small batches."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import algorithms, kernels
from benchmarks.algorithms import Rung
from benchmarks.convolution import LAYOUTS, Job
from benchmarks.effort import Effort
from benchmarks.timing import Probe


def test_the_layers_are_those_of_the_article() -> None:
    assert [(s.channels, s.filters, s.kernel, s.side, s.stride) for s in kernels.LAYERS] == [
        (1, 16, 5, 28, 1),
        (16, 32, 5, 14, 1),
        (3, 16, 3, 32, 1),
        (16, 16, 3, 32, 1),
        (16, 32, 3, 32, 2),
        (32, 32, 3, 16, 1),
        (32, 64, 3, 16, 2),
        (64, 64, 3, 8, 1),
    ]
    assert {shape.out for shape in kernels.LAYERS} == {28, 14, 32, 16, 8}


def test_a_layer_has_a_row_for_each_fast_algorithm_and_layout(probe: Probe, quick: Effort) -> None:
    job = Job(replace(kernels.LAYERS[5], batch=2))
    rows = kernels.direction_rows(job, "forward", probe, quick)
    names = [row["algorithm"] for row in rows]
    assert names[0] == "direct" and names[-2:] == list(LAYOUTS) and "naive" not in names
    assert all(row["gflops"] > 0 and row["share"] > 0 for row in rows)
    assert rows[0]["ratio"]["min"] > 0 and "ratio" not in rows[-1]
    assert kernels.layers_table({"layers": rows}).row_count == len(rows)


def test_the_ladder_has_every_rung(monkeypatch: pytest.MonkeyPatch, probe: Probe, quick: Effort) -> None:
    monkeypatch.setattr(kernels, "LADDER_LAYERS", (replace(kernels.LAYERS[5], batch=3),))
    rows = kernels.ladder(probe, quick)
    mine = [row for row in rows if row["direction"] == "weight gradient"]
    assert [row["rung"] for row in mine][:3] == ["naive", "im2col", "direct"] and len(rows) == 3 * len(mine)
    assert [row["batch"] for row in mine][:3] == [kernels.NAIVE_BATCH, 3, 3]
    assert all(row["lines"] > 0 and row["error"] < 1e-5 for row in rows)
    assert kernels.ladder_table({"ladder": rows}).row_count == len(rows)


def test_a_rung_that_is_wrong_stops_the_ladder(monkeypatch: pytest.MonkeyPatch, probe: Probe, quick: Effort) -> None:
    from scratchconv.kernels.conv2d import naive

    monkeypatch.setattr(naive, "forward", lambda *arguments: arguments[-1].fill(0))
    monkeypatch.setattr(algorithms, "LADDER", (Rung("naive", "scratchconv.kernels.conv2d.naive"),))
    monkeypatch.setattr(kernels, "LADDER_LAYERS", (replace(kernels.LAYERS[5], batch=2),))
    with pytest.raises(RuntimeError, match=r"naive: relative rms error 1\.0e"):
        kernels.ladder(probe, quick)

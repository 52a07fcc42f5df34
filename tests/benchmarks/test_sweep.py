"""The sweep: what it covers, its means, and a small row."""

from __future__ import annotations

import pytest

from benchmarks import sweep
from benchmarks.convolution import DIRECTIONS, Shape
from benchmarks.effort import Effort
from benchmarks.shapes import FAMILIES
from benchmarks.timing import Probe

ALL = [shape for shapes in FAMILIES.values() for shape in shapes]


def test_covers_what_it_promises() -> None:
    assert len({(s.name, s.batch) for s in ALL}) == len(ALL) >= 60
    assert {1, 4, 8, 16, 32} <= {shape.batch for shape in ALL} and max(shape.batch for shape in ALL) == 32
    assert {3, 10, 24, 100} <= {shape.channels for shape in ALL}
    assert any(shape.groups == shape.channels for shape in ALL) and any(shape.dilation > 1 for shape in ALL)
    assert sum(shape.kernel == 1 for shape in ALL) >= 10
    assert all(shape.out > 0 and shape.channels % shape.groups == 0 for shape in ALL)


def test_a_convolution_has_a_row_for_each_direction(probe: Probe, quick: Effort) -> None:
    rows = sweep.measure_shape("odd", Shape("small", 1, 6, 5, 7, 3, padding=1), probe, quick)
    assert [row["direction"] for row in rows] == list(DIRECTIONS)
    assert all(row["error"] < 1e-5 and row["other_gflops"] > 0 for row in rows)
    assert [row["algorithm"] for row in rows] == ["direct", "direct", "direct"]  # too narrow for the others
    document = {"sweep": rows, "summary": sweep.summary(rows), "convolutions": 1}
    assert sweep.table(document).row_count == 3


def test_means_are_geometric_and_rows_behind_are_named() -> None:
    def row(family: str, direction: str, ratio: float) -> dict[str, object]:
        return {"family": family, "convolution": "c", "direction": direction, "ratio": {"median": ratio}}

    rows = [row("a", "forward", 2.0), row("a", "input gradient", 0.5), row("b", "weight gradient", 8.0)]
    means = sweep.summary(rows)
    assert means["all"] == pytest.approx(2.0)
    assert means["families"] == {"a": pytest.approx(1.0), "b": pytest.approx(8.0)}
    assert means["directions"]["forward"] == 2.0
    assert means["worst"] == 0.5 and means["behind"] == ["c, input gradient: 0.50"]

"""The plots, from documents alone."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import plots
from tests.benchmarks.documents import everything


def test_draws_what_was_measured_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "ladder.json").write_text(json.dumps(everything()["ladder"]))
    drawn = plots.draw_all(tmp_path, tmp_path / "images")
    assert [path.name for path in drawn] == ["ladder.png"]
    assert drawn[0].read_bytes().startswith(b"\x89PNG")


def test_a_roofline_has_a_line_for_each_level_and_the_peak() -> None:
    figure = plots.roofline(everything()["kernels"])
    (axes,) = figure.axes
    assert len(axes.lines) == 2 + 1 + 3  # L1, DRAM; the peak; three directions
    plots.plt.close(figure)


def test_scaling_has_a_panel_for_each_size_and_both_libraries() -> None:
    figure = plots.scaling(everything()["scaling"])
    assert [axes.get_xlabel() for axes in figure.axes] == ["batch", "threads"]
    assert all(len(axes.lines) == 6 for axes in figure.axes)
    plots.plt.close(figure)

"""The picture of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")


def test_draws_the_recorded_values(tmp_path: Path) -> None:
    from scratchconv.train import _curves

    steps = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": None}, {"step": 3, "loss": 1.0}]
    figure = _curves.draw(steps, [{"step": 3, "accuracy": 0.75}])
    above, below = figure.axes
    assert above.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert below.lines[0].get_ydata().tolist() == [75.0]
    figure.savefig(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")

"""The run folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import scratchconv as sc
from scratchconv.train import RunFolder, TrainConfig
from scratchconv.train._run import _replacing


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "runs" / "one")
    run.create(TrainConfig(seed=3))
    return run


def test_records_settings_and_environment(run: RunFolder) -> None:
    written = json.loads((run.path / "config.json").read_text())
    assert written["settings"]["seed"] == 3
    assert {"started", "versions", "machine", "commit"} <= written.keys()
    assert run.config() == TrainConfig(seed=3)


def test_never_overwrites(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="not empty: remove it, or choose another"):
        run.create(TrainConfig())
    assert run.config() == TrainConfig(seed=3)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(FileExistsError):
        RunFolder(file).create(TrainConfig())
    (tmp_path / "empty").mkdir()
    RunFolder(tmp_path / "empty").create(TrainConfig())


def test_metrics_are_one_json_object_a_line(run: RunFolder) -> None:
    run.record("step", step=1, loss=2.5)
    run.record("test", step=1, accuracy=0.5)
    run.record("step", step=2, loss=float("nan"))
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["step", "test", "step"]
    assert [line["loss"] for line in run.metrics("step")] == [2.5, None]
    assert lines[0]["time"] <= lines[2]["time"]


def test_weights_come_back(run: RunFolder) -> None:
    model, other = sc.nn.Linear(3, 2), sc.nn.Linear(3, 2)
    run.save_model(model)
    run.load_model(other)
    assert np.array_equal(model.weight.detach().numpy(), other.weight.detach().numpy())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with _replacing(file) as temporary:
        temporary.write_text("old")
    with pytest.raises(KeyboardInterrupt), _replacing(file) as temporary:
        temporary.write_text("half of the ne")
        raise KeyboardInterrupt
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_says_what_is_missing(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no epoch of that run was finished"):
        run.load_model(sc.nn.Linear(3, 2))
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        RunFolder(tmp_path).config()


def test_goes_without_curves_where_matplotlib_is_missing(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "scratchconv.train._curves", raising=False)
    monkeypatch.delattr("scratchconv.train._curves", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert run.draw_curves() is False
    assert not (run.path / "curves.png").exists()

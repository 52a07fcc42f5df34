"""The comparison of trainings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from torch_ref import compare
from torch_ref.compare import Plan, parse_seeds


def test_seeds() -> None:
    assert parse_seeds("0-4") == (0, 1, 2, 3, 4)
    assert parse_seeds("7") == (7,)
    assert parse_seeds("0,2,5-6") == (0, 2, 5, 6)
    for wrong in ("", "a", "1-", "3-1"):
        with pytest.raises(ValueError, match="0-4"):
            parse_seeds(wrong)


def test_command_names_only_what_is_set() -> None:
    plan = Plan("cnn", "mnist", (0,), epochs=2, threads=1)
    ours = plan.command("scratchconv", 3, Path("run"))
    assert ours[:5] == [sys.executable, "-m", "scratchconv", "train", "cnn"]
    assert ours[5:] == [
        *("--data", "mnist", "--epochs", "2", "--batch-size", "100", "--lr", "0.001"),
        *("--seed", "3", "--threads", "1", "--out", "run"),
    ]
    assert plan.command("torch_ref", 3, Path("run"))[5:] == [*ours[5:], "--channels-last"]


class FakeProcesses:
    """Stands in for training: writes the run folder that the command names."""

    def __init__(self) -> None:
        self.order: list[tuple[str, int]] = []

    def run(self, command: list[str], **kwargs: object) -> subprocess.CompletedProcess[str]:
        result, library = Path(command[3]), command[6]
        seed, out = int(command[command.index("--seed") + 1]), Path(command[command.index("--out") + 1])
        self.order.append((library, seed))
        out.mkdir(parents=True)
        accuracy = {"scratchconv": 0.9, "torch_ref": 0.8}[library] + seed / 100
        lines = [
            {"kind": "epoch", "seconds": 2.0, "images_per_second": 50.0},
            {"kind": "epoch", "seconds": 3.0, "images_per_second": 60.0},
            {"kind": "test", "accuracy": 0.1},
            {"kind": "test", "accuracy": accuracy},
        ]
        (out / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        result.write_text(json.dumps({"seconds": 7.0 + seed, "peak_memory_mb": 100.0 + seed}))
        return subprocess.CompletedProcess(command, 0, "", "")


def test_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeProcesses()
    monkeypatch.setattr(compare.subprocess, "run", fake.run)
    monkeypatch.setattr(compare, "_environment", lambda: {"versions": {}, "machine": {}, "commit": "abc"})
    document = compare.compare(Plan("cnn", "digits", (0, 1, 2)), tmp_path, lambda text: None)
    assert fake.order == [
        *(("scratchconv", 0), ("torch_ref", 0)),
        *(("torch_ref", 1), ("scratchconv", 1)),
        *(("scratchconv", 2), ("torch_ref", 2)),
    ]
    summary = document["summary"]["scratchconv"]
    assert summary["mean_accuracy"] == pytest.approx(0.91)
    assert summary["min_accuracy"] == pytest.approx(0.9)
    assert summary["median_train_seconds"] == 5.0
    assert summary["median_process_seconds"] == 8.0
    assert summary["peak_memory_mb"] == 102.0
    assert {"date", "plan", "load", "runs", "versions", "machine", "commit"} <= document.keys()
    assert json.loads(json.dumps(document))["plan"]["seeds"] == [0, 1, 2]
    assert compare.table(document).row_count == 2


def test_a_failed_training_stops_the_comparison(tmp_path: Path) -> None:
    plan = Plan("cnn", "mnist", (0,), data_root=tmp_path / "missing", lr=-1.0)
    with pytest.raises(RuntimeError, match=r"(?s)failed:.*lr"):
        compare.compare(plan, tmp_path / "runs", lambda text: None)

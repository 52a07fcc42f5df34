"""The command line of the reference; the parity command is tested in tests/parity/test_report.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from torch_ref import compare
from torch_ref import train as training
from torch_ref.cli import app


def invoke(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, words)
    return result.exit_code, result.output


def test_train_passes_every_option_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[training.Settings] = []
    monkeypatch.setattr(training, "fit", lambda settings, say: seen.append(settings))
    words = "train resnet --data cifar10 --epochs 3 --batch-size 7 --lr 0.5 --seed 9 --threads 2 --channels-last"
    code, output = invoke(*words.split(), "--data-root", str(tmp_path), "--out", "run")
    assert code == 0, output
    assert seen == [training.Settings("resnet", "cifar10", Path("run"), 3, 7, 0.5, 9, 2, tmp_path, channels_last=True)]


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, output = invoke("train", "cnn", "--data", "digits", "--out", str(tmp_path))
    assert code == 1
    assert "Error:" in output and "not empty" in output and "Traceback" not in output


def test_compare_writes_its_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = dict.fromkeys(
        ("mean_accuracy", "min_accuracy", "median_train_seconds", "median_process_seconds", "peak_memory_mb"), 0.5
    )

    def fake(plan: compare.Plan, folder: Path, say: object) -> dict[str, object]:
        return {"plan": {**vars(plan), "data_root": None}, "summary": {"scratchconv": summary}}

    monkeypatch.setattr(compare, "compare", fake)
    out = tmp_path / "new" / "result.json"
    code, output = invoke("compare", "cnn", "--seeds", "1-2", "--no-channels-last", "--out", str(out))
    assert code == 0, output
    assert json.loads(out.read_text())["plan"]["seeds"] == [1, 2]
    assert json.loads(out.read_text())["plan"]["channels_last"] is False
    assert "50.00 %" in output


def test_runs_as_a_module_and_help_needs_neither_library() -> None:
    program = (
        "import sys, torch_ref.cli as cli\n"
        "try: cli.app(['--help'])\n"
        "finally: assert not {'torch', 'scratchconv'} & set(sys.modules), 'help imported a library'"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "help imported" not in done.stderr, done.stderr
    assert all(command in done.stdout for command in ("train", "parity", "compare"))
    assert (
        subprocess.run([sys.executable, "-m", "torch_ref", "--help"], capture_output=True, check=False).returncode == 0
    )


def test_training_does_not_load_scratchconv() -> None:
    program = "import sys, torch_ref.train; assert 'scratchconv' not in sys.modules and 'numba' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

"""The command line, on tiny jobs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks import cli, machine, scaling, sweep
from benchmarks.convolution import Shape

TINY = Shape("tiny", 1, 6, 4, 4, 3, padding=1)


def test_quick_sweep_writes_a_document_where_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sweep, "FAMILIES", {"tiny": (TINY,)})
    done = CliRunner().invoke(cli.app, ["sweep", "--quick", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    document = json.loads((tmp_path / "sweep.json").read_text())
    assert document["what"] == "sweep" and len(document["sweep"]) == 3
    assert {"commit", "date", "machine", "versions", "load"} <= document.keys()
    assert "geometric mean" in done.output


def test_quick_keeps_no_files_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(scaling, "shapes", lambda: iter([("batch", 1, TINY)]))
    done = CliRunner().invoke(cli.app, ["scaling", "--quick", "--threads", "1"])
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "results").exists()


def test_all_runs_every_command_and_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import report

    calls: list[object] = []
    for name in ("kernels", "steps", "sweep", "scaling", "end_to_end"):
        monkeypatch.setattr(cli, name, lambda *arguments, name=name: calls.append((name, *arguments)))
    monkeypatch.setattr(report, "main", lambda: calls.append("report"))
    assert CliRunner().invoke(cli.app, ["all", "--threads", "2"]).exit_code == 0
    assert calls == [
        ("kernels", False, None),
        ("steps", 1, False, None),
        ("steps", 2, False, None),
        ("sweep", False, None),
        ("scaling", 2, False, None),
        ("end_to_end", False, None),
        "report",
    ]


def test_the_program_starts_with_the_allocators_settings() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], capture_output=True, text=True, check=True, cwd=machine.ROOT
    )
    commands = ("kernels", "steps", "sweep", "scaling", "end-to-end", "all")
    assert all(command in done.stdout for command in commands)

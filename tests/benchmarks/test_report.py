"""The writer of tables, and that the README shows what it writes."""

from __future__ import annotations

import pytest

from benchmarks import report


def record(seed: int, accuracy: float, seconds: float, **changes: object) -> report.Record:
    return {
        "model": "cnn",
        "data": "mnist",
        "epochs": 2,
        "batch_size": 100,
        "engine": "scratchconv",
        "threads": 1,
        "seed": seed,
        "accuracy": accuracy,
        "seconds": seconds,
        "machine": {"cpu": "Test CPU", "cores": 2},
        "versions": {"numpy": "2.0"},
        "commit": "0123456789abcdef",
        "load": 0.25,
        **changes,
    }


def test_readme_shows_the_committed_results() -> None:
    text = report.README.read_text()
    assert report.rewrite(text) == text, "run python -m benchmarks.report"


def test_training_table_joins_the_seeds_of_a_job() -> None:
    table = report.training([record(1, 0.98, 20.0), record(0, 0.99, 30.0), record(0, 0.5, 8.0, engine="torch")])
    rows = [line for line in table.splitlines() if line.startswith("| cnn")]
    assert rows == [
        "| cnn on mnist, scratchconv | 2 × 100 | 0, 1 | 98.00 | 98.50 | 99.00 | 12.5 | 1 |",
        "| cnn on mnist, torch | 2 × 100 | 0 | 50.00 | 50.00 | 50.00 | 4.0 | 1 |",
    ]
    assert "Test CPU, 2 cores; numpy 2.0; commit 0123456789ab; load before 0.2–0.2" in table


def test_rewrite_replaces_only_what_stands_between_the_markers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "TABLES", {"one": ("missing.json", report.training)})
    written = report.rewrite("before\n<!-- begin one -->\nold\n<!-- end one -->\nafter\n")
    assert written == "before\n<!-- begin one -->\n\nNot measured yet.\n\n<!-- end one -->\nafter\n"
    assert report.rewrite(written) == written
    with pytest.raises(ValueError, match="begin one"):
        report.rewrite("no markers")

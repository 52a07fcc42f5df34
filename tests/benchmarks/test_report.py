"""The writer of tables, and that the README shows what it writes."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import report


def compared(**plan: Any) -> report.Document:
    """A document as `python -m torch_ref compare` writes it."""
    figures = {
        "mean_accuracy": 0.985,
        "min_accuracy": 0.98,
        "median_train_seconds": 12.34,
        "median_process_seconds": 15.67,
        "peak_memory_mb": 321.4,
    }
    settings = {"model": "cnn", "data": "mnist", "epochs": 1, "batch_size": 100, "seeds": [0, 1], "threads": 2}
    return {
        "plan": {**settings, "channels_last": True, **plan},
        "summary": {"scratchconv": figures, "torch_ref": {**figures, "min_accuracy": 0.5}},
        "versions": {"numba": "0.61", "torch": "2.4.0+cpu"},
        "machine": {"cpu": "Test CPU", "cores": 2},
        "commit": "0123456789abcdef",
        "date": "2026-01-02T03:04:05+00:00",
        "load": {"before": [0.25, 0.5, 0.75]},
    }


def test_readme_shows_the_committed_results() -> None:
    text = report.README.read_text()
    assert report.rewrite(text) == text, "run python -m benchmarks.report"


def test_training_table_has_a_row_for_each_library() -> None:
    table = report.training([compared(), compared(model="resnet", data="cifar10", epochs=3, threads=None)])
    rows = [line for line in table.splitlines() if line.startswith(("| cnn", "| resnet"))]
    assert rows[:2] == [
        "| cnn, mnist, 1 epoch, batch 100, 2 threads | scratchconv | 0 1 | 98.00 % | 98.50 % | 12.3 | 15.7 | 321 |",
        "| cnn, mnist, 1 epoch, batch 100, 2 threads | PyTorch channels_last "
        "| 0 1 | 50.00 % | 98.50 % | 12.3 | 15.7 | 321 |",
    ]
    assert rows[2].startswith("| resnet, cifar10, 3 epochs, batch 100, all cores | scratchconv ")
    assert table.endswith(
        "Measured on Test CPU, 2 cores; numba 0.61, PyTorch 2.4.0; commit 0123456789ab; 2026-01-02; load before 0.2."
    )


def test_steps_table_compares_within_a_job() -> None:
    lines = [("scratchconv", 1, 10.0), ("PyTorch NCHW", 1, 25.0), ("scratchconv", 2, 5.0), ("PyTorch NCHW", 2, 6.0)]
    document = {
        **compared(),
        "batch": 100,
        "steps": [
            {"model": "cnn", "library": library, "threads": n, "median_ms": ms, "fastest_ms": ms - 1}
            for library, n, ms in lines
        ],
    }
    rows = [line for line in report.steps([document]).splitlines() if line.startswith("| cnn")]
    assert rows == [
        "| cnn, batch 100, 1 thread | scratchconv | 10.0 | 9.0 | 1.00 |",
        "| cnn, batch 100, 1 thread | PyTorch NCHW | 25.0 | 24.0 | 2.50 |",
        "| cnn, batch 100, 2 threads | scratchconv | 5.0 | 4.0 | 1.00 |",
        "| cnn, batch 100, 2 threads | PyTorch NCHW | 6.0 | 5.0 | 1.20 |",
    ]


def test_rewrite_replaces_only_what_stands_between_the_markers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "TABLES", {"one": ("missing-*.json", report.training)})
    written = report.rewrite("before\n<!-- begin one -->\nold\n<!-- end one -->\nafter\n")
    assert written == "before\n<!-- begin one -->\n\nNot measured yet.\n\n<!-- end one -->\nafter\n"
    assert report.rewrite(written) == written
    with pytest.raises(ValueError, match="begin one"):
        report.rewrite("no markers")

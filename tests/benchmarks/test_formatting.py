"""What all tables share."""

from __future__ import annotations

from benchmarks import formatting
from tests.benchmarks.documents import HEAD, RATIO, TIMES


def test_markdown_aligns_figures_to_the_right() -> None:
    assert (
        formatting.markdown(["a", "b", "c"], [["x", "y", "1"]], 2)
        == "| a | b | c |\n| --- | --- | ---: |\n| x | y | 1 |"
    )


def test_provenance_says_each_fact_once_and_keeps_dirty() -> None:
    later = {**HEAD, "commit": "fedcba9876543210-dirty", "load": {"before": [2.0, 1.0, 1.0]}}
    assert formatting.provenance([HEAD, later]) == (
        "Measured on Test CPU, 2 cores; numba 0.61, PyTorch 2.4.0; commit 0123456789ab, commit fedcba987654-dirty; "
        "2026-01-02; load before 2.0 at most."
    )


def test_slow_phases_are_said() -> None:
    rows = [TIMES, {**TIMES, "slow_rounds": 9, "disturbed": True}]
    text = formatting.slow_phases(rows)
    assert text.startswith("10 of 20 rounds") and "(1 of 2)" in text
    assert "marked" not in formatting.slow_phases([TIMES])


def test_ratios_shares_and_threads() -> None:
    assert formatting.times({**RATIO, "disturbed": True}) == "1.50 (1.25)*" and formatting.times(TIMES) == ""
    assert [formatting.percent(share) for share in (0.004, 0.5, 1.4)] == ["0.4 %", "50 %", "140 %"]
    assert [formatting.threads(n) for n in (None, 1, 2)] == ["all cores", "1 thread", "2 threads"]

"""Whole processes: the commands, the first step, and what is made of the figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import end_to_end, first_step
from benchmarks.end_to_end import OURS, THEIRS


def test_both_libraries_are_told_the_same(tmp_path: Path) -> None:
    ours, theirs = (end_to_end.training_command(library, "mnist", tmp_path) for library in (OURS, THEIRS))
    assert ours[1:4] == ["-m", "scratchconv", "train"] and theirs[1:4] == ["-m", "torch_ref", "train"]
    assert ours[4:] == theirs[4:-1] and theirs[-1] == "--channels-last"


def test_a_first_step_is_timed_from_the_start_of_the_process() -> None:
    figures = end_to_end.first_step("scratchconv", {})
    assert 0 < figures["seconds"] < 600 and not isinstance(figures["seconds"], str)


def test_a_process_without_a_step_is_refused() -> None:
    with pytest.raises(RuntimeError, match="first_step nobody gave"):
        end_to_end.first_step("nobody", {})


@pytest.mark.parametrize("library", first_step.LIBRARIES)
def test_the_first_loss_is_that_of_a_network_that_knows_nothing(library: str) -> None:
    assert first_step.LIBRARIES[library]() == pytest.approx(2.3, abs=1)  # ln 10, and what chance adds


def test_a_command_that_fails_shows_what_it_said() -> None:
    with pytest.raises(RuntimeError, match="nonsense"):
        end_to_end.run([sys.executable, "-c", "raise SystemExit('nonsense')"])


def test_ratios_are_of_one_turn() -> None:
    def line(library: str, seconds: float, memory: float) -> dict[str, Any]:
        return {"library": library, "seconds": seconds, "peak_memory_mb": memory, "test_accuracy": 0.98}

    runs = [line(OURS, 1, 100), line(THEIRS, 4, 400), line(THEIRS, 2, 400), line(OURS, 1, 200)]
    share = end_to_end.summary(runs)
    assert share == {"time": {"median": 0.375, "max": 0.5}, "memory": {"median": 0.375, "max": 0.5}}
    steps = {"cold": {"seconds": 10.0, "said_so": True}, "warm_seconds": [0.5], "pytorch_seconds": [2.0]}
    table = end_to_end.table({"data": "mnist", "runs": runs, "summary": share, "first_step": steps})
    assert table.row_count == 7 and "0.38 of the time" in str(table.title)

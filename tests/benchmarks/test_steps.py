"""The step benchmark: equal work on both sides, then time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch

import scratchconv as sc
from benchmarks import steps


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """The benchmark sets the number of threads of both libraries."""
    ours, theirs = sc.get_num_threads(), torch.get_num_threads()
    yield
    sc.set_num_threads(ours)
    torch.set_num_threads(theirs)


def test_both_libraries_take_the_same_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "BATCH", 4)
    lines = steps.measure("cnn", threads=1, repeats=1)
    assert [line["library"] for line in lines] == ["scratchconv", "PyTorch NCHW", "PyTorch channels_last"]
    assert all(0 < line["fastest_ms"] <= line["median_ms"] for line in lines)


def test_refuses_to_time_different_computations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "BATCH", 4)
    monkeypatch.setattr(steps, "our_step", lambda *arguments: lambda: 99.0)
    with pytest.raises(RuntimeError, match="losses differ"):
        steps.measure("cnn", threads=1, repeats=1)


def test_takes_turns() -> None:
    calls: list[str] = []
    counter = itertools.count()
    times = steps.take_turns([lambda: calls.append("a") or 0.0, lambda: calls.append("b") or float(next(counter))], 3)
    assert calls == ["a", "b"] * 5
    assert [len(seconds) for seconds in times] == [3, 3]

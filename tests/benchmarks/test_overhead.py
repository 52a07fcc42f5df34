"""The overhead benchmark: equal results first, then time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import scratchconv as sc
from benchmarks import overhead


@pytest.fixture(autouse=True)
def few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "CALLS", 2)


@pytest.mark.parametrize("operation", overhead.OPERATIONS, ids=lambda operation: operation.name)
def test_both_libraries_do_the_same_work(operation: overhead.Operation) -> None:
    lines = overhead.measure(operation, repeats=1)
    assert [line["part"] for line in lines] == ["forward", "forward and backward"]
    assert all(line[f"{library}_us"] > 0 for line in lines for library in ("scratchconv", "PyTorch"))


def test_refuses_to_time_different_computations() -> None:
    wrong = overhead.Operation(
        "wrong",
        ((3,),),
        lambda functional, t: t[0] + (functional is sc.nn.functional),  # one more in ours
    )
    with pytest.raises(RuntimeError, match="wrong: the results differ"):
        overhead.measure(wrong, repeats=1)


def test_writes_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(overhead, "RESULTS", tmp_path)
    monkeypatch.setattr(overhead, "OPERATIONS", overhead.OPERATIONS[:2])
    overhead.main(["--repeats", "1"])
    document = json.loads((tmp_path / "overhead.json").read_text())
    assert [line["operation"] for line in document["overhead"]] == ["relu", "relu", "add", "add"]
    assert "relu" in capsys.readouterr().out

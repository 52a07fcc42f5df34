"""What a measurement says about its origin, and the allocator's settings."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import machine


def test_names_versions_processor_and_load() -> None:
    facts = machine.describe(torch=True)
    assert len(facts["load"]["before"]) == 3  # over 1, 5 and 15 minutes
    assert facts["machine"]["cpu"]
    assert {"python", "numpy", "numba", "torch"} <= facts["versions"].keys()
    assert "torch" not in machine.describe()["versions"]


def test_a_document_has_a_head_a_tail_and_figures(tmp_path: Path) -> None:
    facts = machine.begin()
    machine.write("name", facts, {"figures": [1, 2]}, tmp_path / "results")
    document = json.loads((tmp_path / "results" / "name.json").read_text())
    assert document["what"] == "name" and document["figures"] == [1, 2]
    assert document["date"].startswith("20") and document["allocator"].keys() == machine.ALLOCATOR.keys()
    assert len(document["load"]["before"]) == len(document["load"]["after"]) == 3


def test_the_program_starts_again_with_the_allocators_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *arguments: calls.append(arguments))
    for name in machine.ALLOCATOR:
        monkeypatch.delenv(name, raising=False)
    machine.keep_freed_memory()
    ((program, command, environment),) = calls
    assert program == sys.executable and command == sys.orig_argv
    assert machine.ALLOCATOR.items() <= environment.items()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    machine.keep_freed_memory()
    assert len(calls) == 1


@pytest.mark.parametrize(("edited", "commit"), [("", "0123"), (" M scratchconv/cli.py", "0123-dirty")])
def test_results_do_not_make_a_commit_dirty(monkeypatch: pytest.MonkeyPatch, edited: str, commit: str) -> None:
    class Done:
        stdout = edited

    monkeypatch.setattr(machine.environment, "commit", lambda: "0123-dirty")
    monkeypatch.setattr(machine.subprocess, "run", lambda *command, **settings: Done())
    assert machine.commit() == commit

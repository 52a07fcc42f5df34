"""What a measurement says about its origin."""

from __future__ import annotations

from benchmarks import machine


def test_names_versions_processor_and_load() -> None:
    facts = machine.describe(torch=True)
    assert len(facts["load"]["before"]) == 3  # over 1, 5 and 15 minutes
    assert facts["machine"]["cpu"]
    assert {"python", "numpy", "numba", "torch"} <= facts["versions"].keys()
    assert "torch" not in machine.describe()["versions"]

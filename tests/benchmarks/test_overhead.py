"""The overhead benchmark: equal results first, then time."""

from __future__ import annotations

import pytest

import scratchconv as sc
from benchmarks import overhead
from benchmarks.effort import Effort
from benchmarks.timing import Probe


@pytest.mark.parametrize("operation", overhead.OPERATIONS, ids=lambda operation: operation.name)
def test_both_libraries_do_the_same_work(operation: overhead.Operation, probe: Probe, quick: Effort) -> None:
    lines = overhead.measure(operation, probe, quick)
    assert [line["part"] for line in lines] == ["forward", "forward and backward"]
    assert all(line["median_ms"] > 0 and line["other_ms"] > 0 for line in lines)


def test_refuses_to_time_different_computations(probe: Probe, quick: Effort) -> None:
    wrong = overhead.Operation(
        "wrong",
        ((3,),),
        lambda functional, t: t[0] + (functional is sc.nn.functional),  # one more in ours
    )
    with pytest.raises(RuntimeError, match="wrong: the results differ"):
        overhead.measure(wrong, probe, quick)


def test_every_operation_has_two_rows(probe: Probe, quick: Effort) -> None:
    document = overhead.measure_all(probe, quick)
    assert [line["operation"] for line in document["overhead"]] == ["relu", "relu", "add", "add"]
    assert overhead.table(document).row_count == 4

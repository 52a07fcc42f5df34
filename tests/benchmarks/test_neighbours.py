"""Pooling, BatchNorm, linear, cross-entropy and Adam: ours computes what PyTorch does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import neighbours
from benchmarks.effort import Effort
from benchmarks.neighbours import Case
from benchmarks.timing import Probe


def small() -> list[Case]:
    return [
        *neighbours.max_pool(2, 3, 4),
        *neighbours.norm(2, 3, 4),
        *neighbours.dense(2, 5, 3),
        *neighbours.loss(4, 3),
        neighbours.adam("small", ((2, 1, 3, 3), (2,))),
    ]


@pytest.mark.parametrize("case", small(), ids=lambda case: case.name)
def test_both_libraries_compute_the_same(case: Case, probe: Probe, quick: Effort) -> None:
    row = neighbours.row(case, probe, quick)
    assert row["error"] < neighbours.TOLERANCE and row["error_other"] < neighbours.TOLERANCE
    assert row["best_other"] in case.variants
    assert neighbours.table({"neighbours": [row]}).row_count == 1


def test_a_wrong_result_is_refused(probe: Probe, quick: Effort) -> None:
    case = small()[0]
    wrong = replace(case, ours=lambda: np.asarray(case.ours()) + 1)
    with pytest.raises(RuntimeError, match="nothing was timed"):
        neighbours.row(wrong, probe, quick)


def test_every_operation_of_a_step_is_there() -> None:
    names = " ".join(case.name for case in neighbours.cases())
    assert all(word in names for word in ("max-pool", "BatchNorm", "linear", "cross-entropy", "Adam"))

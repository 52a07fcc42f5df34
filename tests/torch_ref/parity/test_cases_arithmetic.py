"""The arithmetic cases are part of the table (where each is run)."""

from __future__ import annotations

from torch_ref.parity.cases import CASES
from torch_ref.parity.cases_arithmetic import ARITHMETIC_CASES


def test_they_are_in_the_table() -> None:
    assert len(ARITHMETIC_CASES) > 20
    assert set(map(id, ARITHMETIC_CASES)) <= set(map(id, CASES))
    assert {case.op for case in ARITHMETIC_CASES} >= {"relu", "broadcast", "reductions", "SGD", "Adam"}

"""How long to measure."""

from __future__ import annotations

from benchmarks.effort import Effort


def test_quick_is_one_round_of_few_rows() -> None:
    assert not Effort(9).quick
    quick = Effort(9).reduced()
    assert quick.quick and quick.rounds == 1 and quick.most == 2

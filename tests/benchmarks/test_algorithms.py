"""The registry of rungs, and how their lines are counted."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import algorithms
from benchmarks.algorithms import LADDER, Rung, code_lines, files, in_order, rungs
from benchmarks.convolution import DIRECTIONS, Job, Shape, checked

SHAPE = Shape("any", 1, 8, 8, 16, 3, stride=2, groups=4)
SOURCE = '''"""A module.

Two paragraphs.
"""

# a comment
import math


def f(x):
    """What it does."""
    y = math.sqrt(  # a comment behind code
        x
    )

    return """not a docstring
    """
'''


def test_lines_of_code_leave_out_what_is_not_code() -> None:
    assert code_lines(SOURCE) == 7  # import, def, three of the call, two of the string


def test_a_rung_counts_its_own_helpers_and_no_other_rung() -> None:
    names = {rung.name: {path.name for path in files(rung.module)} for rung in LADDER if rung.exists}
    assert names["naive"] == {"naive.py"}
    assert {"im2col.py", "tiled.py"} <= names["im2col"] and "direct.py" not in names["im2col"]
    assert {"direct.py", "_plan.py", "_block.py", "_panels.py", "_weight_grad.py"} <= names["direct"]
    assert all("_jit.py" not in found for found in names.values())
    lines = [rung.lines for rung in LADDER[:3]]
    assert lines == sorted(lines) and lines[0] > 30


def test_a_missing_rung_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(algorithms, "LADDER", (*LADDER[:1], Rung("future", "scratchconv.kernels.conv2d.future")))
    assert [rung.name for rung in rungs(SHAPE, "forward")] == ["naive"]


def test_a_rung_is_asked_what_it_wants_to_know(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def applies(taps: object, stride: object, dilation: object, groups: object, results: np.ndarray) -> bool:
        seen.append((taps, stride, dilation, groups, results.shape))
        return False

    monkeypatch.setattr(LADDER[0].load(), "applies", applies, raising=False)
    monkeypatch.setattr(algorithms, "LADDER", LADDER[:1])
    for direction in ("forward", "input gradient"):
        assert not rungs(SHAPE, direction)
    assert seen == [((3, 3), (2, 2), (1, 1), 4, (1, 3, 3, 16)), ((3, 3), (2, 2), (1, 1), 4, (1, 8, 8, 8))]


def test_a_borrowed_function_is_no_rung() -> None:
    few = Shape("few filters", 1, 16, 16, 16, 3, padding=1)
    names = {direction: [rung.name for rung in rungs(few, direction)] for direction in DIRECTIONS}
    assert "direct with row reuse" in names["forward"] and "direct with row reuse" in names["input gradient"]
    assert "direct with row reuse" not in names["weight gradient"]  # direct's own


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_rung_computes_the_convolution(direction: str) -> None:
    job = Job(Shape("few filters", 2, 9, 16, 16, 3, padding=1))
    found = rungs(job.shape, direction)
    assert found[-1].name == "Winograd, fast"
    for rung in found:
        checked(rung.name, job.algorithm(rung.load(), direction), job.truth(direction), rung.tolerance)


def test_rungs_stand_in_their_order_also_where_one_direction_lacks_some() -> None:
    met = ["direct", "Winograd", "direct", "direct with row reuse"]  # row reuse for the input gradient only
    assert in_order(met) == ["direct", "direct with row reuse", "Winograd"]

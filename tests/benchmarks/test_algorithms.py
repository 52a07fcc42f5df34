"""The registry of rungs, and how their lines are counted."""

from __future__ import annotations

import pytest

from benchmarks import algorithms
from benchmarks.algorithms import LADDER, Rung, code_lines, files, rungs
from benchmarks.convolution import Shape

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
    assert [rung.name for rung in rungs(Shape("any", 1, 8, 8, 8, 3))] == ["naive"]


def test_a_rung_that_does_not_apply_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def applies(*arguments: object) -> bool:
        seen.append(arguments)
        return False

    shape = Shape("any", 1, 8, 8, 16, 3, stride=2, groups=4)
    monkeypatch.setattr(LADDER[0].load(), "applies", applies, raising=False)
    assert "naive" not in [rung.name for rung in rungs(shape)]
    assert seen == [((3, 3, 2, 16), (2, 2), (1, 1), 4)]  # w (KH, KW, C/G, F), stride, dilation, groups

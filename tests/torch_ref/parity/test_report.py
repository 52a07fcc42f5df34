"""The arithmetic of the report; the command is tested in tests/parity/test_report.py."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from torch_ref.parity import report
from torch_ref.parity.measure import LIMITS, Error
from torch_ref.parity.report import Line


def line(op: str, geometry: str, ratio: Error, direction: str = "forward", dtype: str = "float32") -> Line:
    return Line(op, geometry, dtype, direction, Error(1e-7, 2e-7), Error(1e-7, 2e-7), ratio, LIMITS[op])


def test_either_ratio_can_fail_a_line() -> None:
    factor = LIMITS["conv2d"].factor
    assert line("conv2d", "a", Error(factor, 3 * factor)).passed
    assert not line("conv2d", "a", Error(factor * 1.01, 1.0)).passed
    assert not line("conv2d", "a", Error(1.0, 3.03 * factor)).passed
    assert not line("conv2d", "a", Error(np.inf, np.inf)).passed


def test_rows_show_the_case_nearest_to_its_limit() -> None:
    lines = [
        line("conv2d", "dx case", Error(1.0, 1.0), direction="dx"),
        line("conv2d", "easy", Error(1.1, 1.0)),
        line("conv2d", "hard", Error(1.0, 7.0)),
        line("linear", "only", Error(9.0, 1.0)),
    ]
    rows = report.rows(lines[::-1])
    assert [(row.op, row.direction, row.worst.geometry, row.passed) for row in rows] == [
        ("conv2d", "forward", "hard", True),
        ("conv2d", "dx", "dx case", True),
        ("linear", "forward", "only", False),
    ]
    output = io.StringIO()
    Console(width=report.WIDTH, file=output).print(report.table(rows))
    text = output.getvalue()
    assert text.count("FAIL") == 1 and "hard" in text and "easy" not in text


def test_json_is_strict(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    report.write_json(path, [line("conv2d", "a", Error(np.inf, 1.0)), line("linear", "b", Error(1.0, 1.0))])
    document = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert document["passed"] is False
    assert [entry["passed"] for entry in document["lines"]] == [False, True]
    assert document["lines"][0]["ratio"] == {"rms": None, "max": 1.0}
    assert document["lines"][1]["limit"]["reason"] == LIMITS["linear"].reason


def test_selection_of_operations() -> None:
    with pytest.raises(ValueError, match="no parity case for softmax"):
        report.run((), ops=["softmax"])
    assert report.run((), ops=None) == []

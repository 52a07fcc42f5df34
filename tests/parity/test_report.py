"""The parity command: it shows every row it promises, and its check can fail."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import torch_ref.parity.cases
from torch_ref.cli import app
from torch_ref.parity.cases import CASES
from torch_ref.parity.report import run

LINEAR = [case for case in CASES if case.op == "linear"]


def invoke(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["parity", *words])
    return result.exit_code, result.output


def rows_of(output: str) -> set[tuple[str, ...]]:
    """First three columns of every row of the table."""
    cells = [line.split("│") for line in output.splitlines() if line.startswith("│")]
    return {tuple(cell.strip() for cell in row[1:4]) for row in cells}


def test_subset_has_every_row_and_passes(tmp_path: Path) -> None:
    code, output = invoke("--op", "linear", "--op", "relu", "--json", str(tmp_path / "parity.json"))
    assert code == 0, output
    directions = {"linear": ("forward", "dx", "dw", "db"), "relu": ("forward", "dx")}
    assert rows_of(output) == {
        (op, dtype, direction)
        for op, names in directions.items()
        for dtype in ("float32", "float64")
        for direction in names
    }
    document = json.loads((tmp_path / "parity.json").read_text())
    assert document["passed"] is True
    linear = [line for line in document["lines"] if line["op"] == "linear" and line["direction"] == "forward"]
    assert {line["geometry"] for line in linear} == {case.geometry for case in LINEAR}
    assert all(0 < line["ours"]["rms"] < 1e-6 for line in linear)


def test_one_dtype_only() -> None:
    code, output = invoke("--op", "relu", "--dtype", "float64")
    assert code == 0
    assert {row[1] for row in rows_of(output)} == {"float64"}


def test_unknown_operation() -> None:
    code, output = invoke("--op", "conv3d")
    assert code == 1
    assert "conv3d" in output and "conv2d" in output


def planted(fault, directions=("forward",)):
    """The first linear case, with ``fault`` applied to what scratchconv returns."""
    case = LINEAR[0]

    def fn(lib, *tensors):
        y = case.fn(lib, *tensors)
        return fault(y) if lib.__name__ == "scratchconv" else y

    return dataclasses.replace(case, fn=fn)


def test_a_planted_error_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = planted(lambda y: y * 1.000002)  # 16 roundings
    monkeypatch.setattr(torch_ref.parity.cases, "CASES", (broken,))
    code, output = invoke()
    assert code == 1
    assert "FAIL" in output and broken.geometry in output


def test_one_wrong_element_of_many_fails() -> None:
    def fault(y):
        spoilt = np.array(y.detach().numpy())
        spoilt[7, 3] += 1e-3  # of values near 40
        return y * 0.0 + type(y)(spoilt)

    lines = run((planted(fault),), dtypes=["float32"])
    assert {line.direction for line in lines if not line.passed} >= {"forward"}


def test_a_missing_gradient_fails() -> None:
    lines = run((planted(lambda y: y.detach()),), dtypes=["float32"])
    assert {line.direction for line in lines if not line.passed} == {"dx", "dw", "db"}


def test_a_wrong_dtype_fails() -> None:
    lines = run((planted(lambda y: y.detach().to(np.float64)),), dtypes=["float32"])
    assert "forward" in {line.direction for line in lines if not line.passed}

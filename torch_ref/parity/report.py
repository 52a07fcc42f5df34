"""Run the parity cases, judge them, draw the table and write the JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

import scratchconv
from torch_ref.parity.case import Array, Case
from torch_ref.parity.evaluate import run_case
from torch_ref.parity.measure import LIMITS, Error, Limit, error, limit, pooled, ratio

DTYPES: dict[str, type[np.floating[Any]]] = {"float32": np.float32, "float64": np.float64}
WIDTH = 180  # columns of the table, at most
DRAWS = 4  # inputs drawn per case: enough for a stable RMS of the small results, such as the gradient of a bias

_EPS64_OVER_EPS32 = float(np.finfo(np.float64).eps / np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Line:
    """One case in one dtype and direction: both errors, their ratio, and the limit it was judged by."""

    op: str
    geometry: str
    dtype: str
    direction: str
    ours: Error
    theirs: Error
    ratio: Error
    limit: Limit

    @property
    def strain(self) -> float:
        """The larger ratio as a share of its limit: 1 is the limit itself."""
        return max(self.ratio.rms / self.limit.factor, self.ratio.max / self.limit.max_factor)

    @property
    def passed(self) -> bool:
        """Whether both ratios are within the limit."""
        return self.strain <= 1


def run(cases: Sequence[Case], *, ops: Sequence[str] | None = None, dtypes: Sequence[str] | None = None) -> list[Line]:
    """Examine the cases of ``ops`` in ``dtypes`` (None or empty: all of them).

    Raises
    ------
    ValueError
        If an operation has no case; the message names those that have.
    """
    known = {case.op for case in cases}
    if unknown := set(ops or ()) - known:
        raise ValueError(f"no parity case for {', '.join(sorted(unknown))}; operations: {', '.join(sorted(known))}")
    chosen = [case for case in cases if not ops or case.op in ops]
    return [line for case in chosen for line in examine(case, dtypes or tuple(DTYPES))]


def examine(case: Case, dtypes: Sequence[str]) -> list[Line]:
    """Run ``case`` in both libraries and compare every output and gradient with float64 truth.

    The truth is PyTorch's float64 result on the same inputs. A direction that only one library returns counts as an
    infinite error of the library that lacks it.
    """
    errors: dict[tuple[str, str], tuple[list[Error], list[Error]]] = {}
    for seed in range(DRAWS):
        truth = run_case(torch, case, np.float64, seed).by_direction()
        theirs32 = run_case(torch, case, np.float32, seed).by_direction()
        for dtype in dtypes:
            ours = run_case(scratchconv, case, DTYPES[dtype], seed).by_direction()
            for direction in truth | ours:
                mine, reference = errors.setdefault((dtype, direction), ([], []))
                mine.append(_error(ours, truth, direction, DTYPES[dtype]))
                reference.append(_error(theirs32, truth, direction, np.float32))
    return [_line(case, *key, pooled(mine), pooled(reference)) for key, (mine, reference) in errors.items()]


def _error(values: dict[str, Array], truth: dict[str, Array], direction: str, dtype: type[np.floating[Any]]) -> Error:
    if direction not in values or direction not in truth or values[direction].dtype != dtype:
        return Error(np.inf, np.inf)
    return error(values[direction], truth[direction])


def _line(case: Case, dtype: str, direction: str, ours: Error, theirs32: Error) -> Line:
    scale = _EPS64_OVER_EPS32 if dtype == "float64" else 1.0
    theirs = Error(theirs32.rms * scale, theirs32.max * scale)
    quotient = ratio(ours, theirs, DTYPES[dtype])
    return Line(case.op, case.geometry, dtype, direction, ours, theirs, quotient, limit(case.op, dtype))


@dataclass(frozen=True)
class Row:
    """All cases of one operation, dtype and direction, represented by the one nearest to its limit."""

    op: str
    dtype: str
    direction: str
    lines: tuple[Line, ...]

    @property
    def worst(self) -> Line:
        """The case nearest to its limit, or furthest beyond it."""
        return max(self.lines, key=lambda line: line.strain)

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return all(line.passed for line in self.lines)


def rows(lines: Iterable[Line]) -> list[Row]:
    """Group case lines into table rows, operations in the order of ``LIMITS``."""
    order = list(LIMITS)

    def key(line: Line) -> tuple[int, str, int, str]:
        return order.index(line.op), line.dtype, line.direction != "forward", line.direction

    return [
        Row(group[0].op, group[0].dtype, group[0].direction, tuple(group))
        for group in (list(group) for _, group in groupby(sorted(lines, key=key), key=key))
    ]


def table(table_rows: Sequence[Row]) -> Table:
    """Draw the rows; errors and ratios are those of the worst case, named in the last column."""
    result = Table(title="Error against float64 truth: scratchconv beside PyTorch")
    for name in ("operation", "dtype", "direction"):
        result.add_column(name, no_wrap=True)
    for name in ("cases", "our RMS", "PyTorch RMS", "worst ratio", "limit", "largest element", "limit"):
        result.add_column(name, justify="right", no_wrap=True)
    result.add_column("worst case")
    result.add_column("")
    for row in table_rows:
        worst = row.worst
        result.add_row(
            row.op,
            row.dtype,
            row.direction,
            str(len(row.lines)),
            f"{worst.ours.rms:.1e}",
            f"{worst.theirs.rms:.1e}",
            f"{worst.ratio.rms:.2f}",
            f"{worst.limit.factor:g}",
            f"{worst.ratio.max:.2f}",
            f"{worst.limit.max_factor:g}",
            worst.geometry,
            "[green]ok[/]" if row.passed else "[bold red]FAIL[/]",
        )
    return result


def _as_json(line: Line) -> dict[str, Any]:
    """One line as JSON values; null stands for an infinite error, which JSON cannot write."""

    def finite(values: Error) -> dict[str, float | None]:
        return {name: value if np.isfinite(value) else None for name, value in values._asdict().items()}

    named = {"op": line.op, "geometry": line.geometry, "dtype": line.dtype, "direction": line.direction}
    errors = {"ours": finite(line.ours), "theirs": finite(line.theirs), "ratio": finite(line.ratio)}
    return {**named, **errors, "limit": asdict(line.limit), "passed": line.passed}


def write_json(path: Path, lines: Sequence[Line]) -> None:
    """Write every case line with its limit and verdict, and the versions compared."""
    document = {
        "versions": {"scratchconv": scratchconv.__version__, "torch": torch.__version__, "numpy": np.__version__},
        "draws": DRAWS,
        "passed": all(line.passed for line in lines),
        "lines": [_as_json(line) for line in lines],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")

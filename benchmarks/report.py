"""Write the tables of README.md from the measurements in ``benchmarks/results``.

Run ``python -m benchmarks.report`` after new measurements. Each table stands between two markers, and nothing between
them is typed by hand; ``tests/benchmarks/test_report.py`` compares the committed README with what this file writes.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parents[1] / "README.md"

Record = dict[str, Any]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table: the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def training(records: list[Record]) -> str:
    """Test accuracy and time of whole trainings, one row for all seeds of a job."""
    jobs: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        job = tuple(record[name] for name in ("model", "data", "epochs", "batch_size", "engine", "threads"))
        jobs.setdefault(job, []).append(record)
    rows = []
    for (model, data, epochs, batch_size, engine, threads), runs in sorted(jobs.items()):
        accuracy = [100 * run["accuracy"] for run in runs]
        rows.append(
            [
                f"{model} on {data}, {engine}",
                f"{epochs} × {batch_size}",
                ", ".join(str(seed) for seed in sorted(run["seed"] for run in runs)),
                f"{min(accuracy):.2f}",
                f"{statistics.mean(accuracy):.2f}",
                f"{max(accuracy):.2f}",
                f"{statistics.median(run['seconds'] / epochs for run in runs):.1f}",
                str(threads),
            ]
        )
    head = ["training", "epochs × batch", "seeds", "accuracy %: min", "mean", "max", "s / epoch (median)", "threads"]
    return markdown(head, rows) + "\n\n" + provenance(records)


def provenance(records: list[Record]) -> str:
    """Say where the figures of a table come from."""
    machines = {f"{r['machine']['cpu']}, {r['machine']['cores']} cores" for r in records}
    versions = {", ".join(f"{name} {number}" for name, number in sorted(r["versions"].items())) for r in records}
    commits = {str(r["commit"])[:12] for r in records}
    loads = [r["load"] for r in records]
    parts = [*sorted(machines), *sorted(versions), "commit " + ", ".join(sorted(commits))]
    return f"Measured on {'; '.join(parts)}; load before {min(loads):.1f}–{max(loads):.1f}."


# Marker in the README -> file of results and the function that formats it.
TABLES: dict[str, tuple[str, Callable[[list[Record]], str]]] = {
    "training": ("training.json", training),
}


def block(name: str) -> str:
    """Write the text of one table, from its file of results."""
    file, write = TABLES[name]
    path = RESULTS / file
    return write(json.loads(path.read_text())) if path.exists() else "Not measured yet."


def rewrite(text: str) -> str:
    """Put every table between its markers; what stood there goes.

    Raises
    ------
    ValueError
        If a marker is missing or stands more than once.
    """
    for name in TABLES:
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"README needs the markers of the table {name!r} once each: {begin.strip()} and {end}")
        before, rest = text.split(begin)
        after = rest.split(end)[1]
        text = f"{before}{begin}\n{block(name)}\n\n{end}{after}"
    return text


def main() -> None:
    """Rewrite README.md."""
    README.write_text(rewrite(README.read_text()))


if __name__ == "__main__":
    main()

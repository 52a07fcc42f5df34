"""What the tables of the documentation have in common: Markdown, ratios, and where figures come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Document = dict[str, Any]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """Format a table: the first columns are text, the others are figures."""
    lines = [head, ["---"] * text_columns + ["---:"] * (len(head) - text_columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def provenance(documents: list[Document]) -> str:
    """Say where the figures come from, each fact once."""
    facts = [
        {f"{d['machine']['cpu']}, {d['machine']['cores']} cores" for d in documents},
        {f"numba {d['versions']['numba']}, PyTorch {d['versions']['torch'].split('+')[0]}" for d in documents},
        {f"commit {short_commit(d['commit'])}" for d in documents},
        {d["date"][:10] for d in documents},
        {f"load before {max(d['load']['before'][0] for d in documents):.1f}{' at most' * (len(documents) > 1)}"},
    ]
    return "Measured on " + "; ".join(", ".join(sorted(values)) for values in facts) + "."


def short_commit(commit: str | None) -> str:
    """A commit in twelve digits; edits that were not committed stay said."""
    digits, dash, dirty = str(commit).partition("-")
    return digits[:12] + dash + dirty


def slow_phases(rows: Sequence[Document]) -> str:
    """Say how many rounds the machine disturbed."""
    total, slow = sum(row["rounds"] for row in rows), sum(row["slow_rounds"] for row in rows)
    disturbed = sum(row["disturbed"] for row in rows)
    text = f"{slow} of {total} rounds lay in a slow phase of the machine; they were dropped and measured again."
    if disturbed:
        text += f" Rows marked * ({disturbed} of {len(rows)}) had mostly slow rounds, and there all of them count."
    return text


def times(row: Document) -> str:
    """How many times faster ours is: the median of the rounds, and the least."""
    if "ratio" not in row:
        return ""
    mark = "*" if row["disturbed"] else ""
    return f"{row['ratio']['median']:.2f} ({row['ratio']['min']:.2f}){mark}"


def percent(share: float) -> str:
    """A share of the peak; small ones with a decimal."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"


def threads(count: int | None) -> str:
    """Say how many threads were used."""
    return "all cores" if count is None else f"{count} thread{'s' * (count != 1)}"


def step_name(line: Document) -> str:
    """Name the work of a step."""
    what = "training step" if line["what"] == "training" else line["what"]
    return f"{line['model']} {what}, batch {line['batch']}, {threads(line['threads'])}"

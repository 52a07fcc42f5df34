"""Write the tables of README.md from the measurements in ``benchmarks/results``.

Run ``python -m benchmarks.report`` after new measurements. Each table stands between two markers, and nothing between
them is typed by hand; ``tests/benchmarks/test_report.py`` compares the committed README with what this file writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parents[1] / "README.md"

Document = dict[str, Any]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table: the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def training(documents: list[Document]) -> str:
    """Accuracy, time and memory of whole trainings, from ``python -m torch_ref compare``."""
    head = ["training", "library", "seeds", "worst accuracy", "mean accuracy", "training s", "process s", "peak MB"]
    rows = []
    for document in documents:
        plan = document["plan"]
        epochs = f"{plan['epochs']} epoch{'s' * (plan['epochs'] != 1)}"
        for library, figures in document["summary"].items():
            rows.append(
                [
                    f"{plan['model']}, {plan['data']}, {epochs}, batch {plan['batch_size']}, {threads(plan)}",
                    library_name(library, plan),
                    " ".join(map(str, plan["seeds"])),
                    f"{100 * figures['min_accuracy']:.2f} %",
                    f"{100 * figures['mean_accuracy']:.2f} %",
                    f"{figures['median_train_seconds']:.1f}",
                    f"{figures['median_process_seconds']:.1f}",
                    f"{figures['peak_memory_mb']:.0f}",
                ]
            )
    notes = "Times are medians over the seeds; process s is from start to exit, imports and test included."
    return "\n\n".join([markdown(head, rows), notes, provenance(documents)])


def threads(plan: Document) -> str:
    """Say how many threads a plan used."""
    if plan["threads"] is None:
        return "all cores"
    return f"{plan['threads']} thread{'s' * (plan['threads'] != 1)}"


def library_name(library: str, plan: Document) -> str:
    """Name a library; PyTorch with its memory format."""
    if library != "torch_ref":
        return library
    return f"PyTorch {'channels_last' if plan['channels_last'] else 'NCHW'}"


def provenance(documents: list[Document]) -> str:
    """Say where the figures come from, each fact once."""
    facts = [
        {f"{d['machine']['cpu']}, {d['machine']['cores']} cores" for d in documents},
        {f"numba {d['versions']['numba']}, PyTorch {d['versions']['torch'].split('+')[0]}" for d in documents},
        {f"commit {str(d['commit'])[:12]}" for d in documents},
        {d["date"][:10] for d in documents},
        {f"load before {d['load']['before'][0]:.1f}" for d in documents},
    ]
    return "Measured on " + "; ".join(", ".join(sorted(values)) for values in facts) + "."


def steps(documents: list[Document]) -> str:
    """Time of single training steps, from ``python -m benchmarks.steps``; ratios are to our own median."""
    head = ["training step", "library", "median ms", "fastest ms", "median / scratchconv"]
    rows = []
    for document in documents:
        for line in document["steps"]:
            ours = next(o for o in document["steps"] if is_ours(o) and same_job(o, line))
            rows.append(
                [
                    f"{line['model']}, batch {document['batch']}, {threads(line)}",
                    line["library"],
                    f"{line['median_ms']:.1f}",
                    f"{line['fastest_ms']:.1f}",
                    f"{line['median_ms'] / ours['median_ms']:.2f}",
                ]
            )
    return "\n\n".join([markdown(head, rows), provenance(documents)])


def is_ours(line: Document) -> bool:
    """Whether a line is this library's."""
    return bool(line["library"] == "scratchconv")


def same_job(a: Document, b: Document) -> bool:
    """Whether two lines are of the same network and number of threads."""
    return (a["model"], a["threads"]) == (b["model"], b["threads"])


# Marker in the README -> the files of results and the function that formats them.
TABLES: dict[str, tuple[str, Callable[[list[Document]], str]]] = {
    "training": ("train-*.json", training),
    "steps": ("steps.json", steps),
}


def block(name: str) -> str:
    """Write the text of one table, from its files of results."""
    pattern, write = TABLES[name]
    documents = [json.loads(path.read_text()) for path in sorted(RESULTS.glob(pattern))]
    return write(documents) if documents else "Not measured yet."


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

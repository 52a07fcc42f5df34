"""The tables of README.md: whole trainings, and one line for each thing that was measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from benchmarks.algorithms import DIRECT
from benchmarks.formatting import Document, markdown, percent, provenance, slow_phases, step_name, threads, times
from benchmarks.networks import EAGER, EXACT, FAST, TORCH


def training(documents: list[Document]) -> str:
    """Accuracy, time and memory of whole trainings, from ``python -m torch_ref compare``."""
    head = ["training", "library", "seeds", "worst accuracy", "mean accuracy", "training s", "process s", "peak MB"]
    rows = []
    for document in documents:
        plan = document["plan"]
        job = f"{plan['model']}, {plan['data']}, {plan['epochs']} epoch{'s' * (plan['epochs'] != 1)}"
        layout = "channels_last" if plan["channels_last"] else "NCHW"
        for library, figures in document["summary"].items():
            rows.append(
                [
                    f"{job}, batch {plan['batch_size']}, {threads(plan['threads'])}",
                    f"PyTorch {layout}" if library == "torch_ref" else library,
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


def overview(documents: list[Document]) -> str:
    """One line for each thing that was measured beside PyTorch, and how near convolutions come to the peak."""
    kinds = {document["what"]: document for document in documents}
    used = [kinds[what] for what in kinds if what in ("sweep", "end-to-end", "kernels") or "steps" in what]
    if not used:
        return "Not measured yet."
    lines = [line for document in used for line in document.get("steps", []) if line["library"] not in TORCH]
    rows = [[step_name(line), mode(line), f"{line['median_ms']:.4g} ms", times(line)] for line in lines]
    if "sweep" in kinds:
        means = kinds["sweep"]["summary"]
        name = f"{kinds['sweep']['convolutions']} convolutions, all directions, 1 thread"
        rows.append([name, "automatic choice", "geometric mean", f"{means['all']:.2f} (worst {means['worst']:.2f})"])
    if "end-to-end" in kinds:
        rows += whole_process(kinds["end-to-end"]) + first_step(kinds["end-to-end"])
    if "kernels" in kinds:
        rows += peaks(kinds["kernels"]["layers"])
    head = ["what", "scratchconv", "ours", "PyTorch's best / ours: median (least) of the rounds"]
    return "\n\n".join([markdown(head, rows, 2), slow_phases(lines), provenance(used)])


def peaks(lines: list[Document]) -> list[list[str]]:
    """Shares of the FMA peak, from the least to the most, of groups of the article's layers."""
    groups = {
        "direct convolution, stride 1, all directions": [
            line for line in lines if line["stride"] == 1 and line["channels"] > 3 and line["algorithm"] in DIRECT
        ],
        "direct convolution, stride 2, all directions": [
            line for line in lines if line["stride"] == 2 and line["algorithm"] in DIRECT
        ],
        "first layers (1 or 3 channels), forward and weight gradient": [
            line
            for line in lines
            if line["channels"] <= 3 and line["direction"] != "input gradient" and line["algorithm"] in DIRECT
        ],
        "Winograd, 32 and 64 channels, forward and input gradient": [
            line
            for line in lines
            if line["channels"] >= 32
            and line["stride"] == 1
            and line["direction"] != "weight gradient"
            and line["algorithm"] == "Winograd"
        ],
        "Winograd, stride 2, all directions": [
            line for line in lines if line["stride"] == 2 and line["algorithm"] == "Winograd"
        ],
    }
    rows = []
    for name, group in groups.items():
        shares = list(best(group))
        if shares:
            span = f"{percent(min(shares))} to {percent(max(shares))}"
            rows.append([name, "share of the FMA peak", span, ""])
    return rows


def best(lines: list[Document]) -> Iterable[float]:
    """The larger share of each layer and direction, where several algorithms compute it."""
    shares: dict[tuple[str, str], float] = {}
    for line in lines:
        job = (line["layer"], line["direction"])
        shares[job] = max(shares.get(job, 0), line["share"])
    return shares.values()


def whole_process(document: Document) -> list[list[str]]:
    """A training from start to exit, and its memory."""
    mine = [line for line in document["runs"] if line["library"] == "scratchconv"]
    share = document["summary"]
    name = f"`train cnn --data {document['data']} --epochs 1`, 1 thread"
    seconds, memory = (statistics.median(line[key] for line in mine) for key in ("seconds", "peak_memory_mb"))
    least = {key: (1 / share[key]["median"], 1 / share[key]["max"]) for key in ("time", "memory")}
    return [
        [name, "whole process", f"{seconds:.1f} s", "{:.2f} ({:.2f})".format(*least["time"])],
        [name, "peak memory", f"{memory:.0f} MB", "{:.2f} ({:.2f})".format(*least["memory"])],
    ]


def first_step(document: Document) -> list[list[str]]:
    """How long a process takes to its first training step."""
    figures = document["first_step"]
    warm, other = (statistics.median(figures[f"{key}_seconds"]) for key in ("warm", "pytorch"))
    return [
        ["start of a process to its first CNN step", "kernels on disk", f"{warm:.2f} s", f"{other / warm:.2f}"],
        ["the same, first run ever", "compiles all kernels", f"{figures['cold']['seconds']:.1f} s", ""],
    ]


def mode(line: Document) -> str:
    """Name one of our modes."""
    return {EAGER: "eager", EXACT: "compiled, exact", FAST: "compiled, fast"}[line["library"]]

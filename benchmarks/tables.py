"""The tables of docs/benchmarks.md, each from the documents of one kind of measurement."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from benchmarks.algorithms import DIRECT, in_order
from benchmarks.convolution import DIRECTIONS
from benchmarks.formatting import Document, markdown, percent, provenance, slow_phases, step_name, times
from benchmarks.sweep import BEHIND

Writer = Callable[[list[Document]], str]


def roofline(documents: list[Document]) -> str:
    """The ceilings of the machine."""
    (document,) = documents
    rows = [["multiply-adds on registers", f"{document['peak_gflops']:.0f} GFLOP/s", "", ""]]
    for level, speeds in document["bandwidth_gbs"].items():
        size = f"{document['working_set_bytes'][level] / 1024:.0f} KiB"
        rows.append([level, size, f"{speeds['read']:.0f} GB/s", f"{speeds['copy']:.0f} GB/s"])
    return markdown(["one thread", "working set", "read", "copy"], rows) + "\n\n" + provenance(documents)


def ladder(documents: list[Document]) -> str:
    """Every rung in full."""
    (document,) = documents
    head = ["layer", "direction", "rung", "batch", "ms", "GFLOP/s", "of the peak", "error", "lines"]
    rows = [
        [
            line["layer"],
            line["direction"],
            line["rung"],
            str(line["batch"]),
            f"{line['median_ms']:.3g}" + "*" * line["disturbed"],
            f"{line['gflops']:.3g}",
            percent(line["share"]),
            f"{line['error']:.1e}",
            str(line["lines"]),
        ]
        for line in document["ladder"]
    ]
    plot = "![Speed of each algorithm](images/ladder.png)"
    return "\n\n".join([plot, markdown(head, rows, 3), slow_phases(document["ladder"]), provenance(documents)])


def short_ladder(documents: list[Document]) -> str:
    """One line for each rung and layer, for the story of the kernels."""
    (document,) = documents
    lines = document["ladder"]
    head = ["layer", "rung", "lines", *(f"{direction}, GFLOP/s" for direction in DIRECTIONS), "largest error"]
    rows = []
    layers = dict.fromkeys(line["layer"] for line in lines)
    named = [(layer, rung) for layer in layers for rung in in_order(x["rung"] for x in lines if x["layer"] == layer)]
    for layer, rung in named:
        mine = {line["direction"]: line for line in lines if (line["layer"], line["rung"]) == (layer, rung)}
        speeds = [f"{mine[d]['gflops']:.3g} ({percent(mine[d]['share'])})" if d in mine else "" for d in DIRECTIONS]
        error = max(line["error"] for line in mine.values())
        rows.append([layer, rung, str(next(iter(mine.values()))["lines"]), *speeds, f"{error:.1e}"])
    peak = f"In brackets: the share of this core's peak, {document['peak_gflops']:.0f} GFLOP/s."
    return "\n\n".join([markdown(head, rows, 2), peak, provenance(documents)])


def layers(documents: list[Document]) -> str:
    """The article's convolutions."""
    (document,) = documents
    head = ["layer", "direction", "algorithm", "ms", "GFLOP/s", "of the peak", "error", "PyTorch's best / it"]
    rows = [
        [
            line["layer"],
            line["direction"],
            line["algorithm"],
            f"{line['median_ms']:.3f}",
            f"{line['gflops']:.0f}",
            percent(line["share"]),
            f"{line['error']:.1e}",
            times(line),
        ]
        for line in document["layers"]
    ]
    plot = "![The article's convolutions under the ceilings](images/roofline.png)"
    return "\n\n".join([plot, markdown(head, rows, 3), slow_phases(document["layers"]), provenance(documents)])


def limits(documents: list[Document]) -> str:
    """What arithmetic at the peak and memory cost the article's convolutions, beside the faster direct kernel."""
    (document,) = documents
    head = [
        "layer",
        "direction",
        "arithmetic, ms",
        "memory, ms",
        "both, ms",
        "of the peak then",
        "direct, ms",
        "of the peak",
        "both / direct",
    ]
    fastest: dict[tuple[str, str], Document] = {}
    for line in document["layers"]:
        job = line["layer"], line["direction"]
        if (
            line["algorithm"] in DIRECT and line["median_ms"] < fastest.get(job, line)["median_ms"]
        ) or job not in fastest:
            fastest[job] = line
    rows = []
    for (layer, direction), line in fastest.items():
        arithmetic = line["flop"] / document["peak_gflops"] / 1e6
        memory = line["bytes"] / document["bandwidth_gbs"]["DRAM"]["read"] / 1e6
        both, ours = arithmetic + memory, line["median_ms"]
        times_of = [f"{ms:.2f}" for ms in (arithmetic, memory, both)]
        found = [percent(arithmetic / both), f"{ours:.2f}", percent(line["share"]), f"{both / ours:.2f}"]
        rows.append([layer, direction, *times_of, *found])
    return "\n\n".join([markdown(head, rows, 2), provenance(documents)])


def neighbours(documents: list[Document]) -> str:
    """Pooling, BatchNorm and the rest."""
    (document,) = documents
    head = ["operation", "PyTorch's best", "its µs", "ours, µs", "GB/s", "error", "PyTorch's best / ours"]
    rows = [
        [
            line["operation"],
            line["best_other"],
            f"{1e3 * line['other_ms']:.1f}",
            f"{1e3 * line['median_ms']:.1f}",
            f"{line['gbs']:.1f}",
            f"{line['error']:.1e}",
            times(line),
        ]
        for line in document["neighbours"]
    ]
    return "\n\n".join([markdown(head, rows, 2), slow_phases(document["neighbours"]), provenance(documents)])


def overhead(documents: list[Document]) -> str:
    """What an operation costs beside its arithmetic."""
    (document,) = documents
    head = ["operation on tiny tensors", "part", "PyTorch, µs", "ours, µs", "PyTorch / ours"]
    rows = [
        [
            line["operation"],
            line["part"],
            f"{1e3 * line['other_ms']:.1f}",
            f"{1e3 * line['median_ms']:.1f}",
            times(line),
        ]
        for line in document["overhead"]
    ]
    return "\n\n".join([markdown(head, rows, 2), slow_phases(document["overhead"]), provenance(documents)])


def steps(documents: list[Document]) -> str:
    """Every mode of both libraries."""
    lines = [line for document in documents for line in document["steps"]]
    head = ["step", "library", "median ms", "fastest ms", "error", "PyTorch's best / it"]
    rows = [
        [
            step_name(line),
            line["library"],
            f"{line['median_ms']:.4g}",
            f"{line['fastest_ms']:.4g}",
            f"{line['error']:.1e}",
            times(line),
        ]
        for line in lines
    ]
    notes = [note + "." for document in documents for note in document["notes"]]
    return "\n\n".join([markdown(head, rows, 2), *notes, slow_phases(lines), provenance(documents)])


def sweep(documents: list[Document]) -> str:
    """The means, the rows behind, and all rows."""
    (document,) = documents
    means = document["summary"]
    groups = {"all": means["all"], **means["directions"], **means["families"]}
    short = markdown(["geometric mean of", "PyTorch's best / ours"], [[n, f"{v:.2f}"] for n, v in groups.items()])
    behind = f"Under {BEHIND}: " + ("; ".join(means["behind"]) or "none") + "."
    words = ["convolution", "direction", "algorithm"]
    head = [*words, "batch", "GFLOP/s", "PyTorch", "error", "its error", "PyTorch's best / ours"]
    rows = [
        [
            line["convolution"],
            line["direction"],
            line["algorithm"],
            str(line["batch"]),
            f"{line['gflops']:.0f}",
            f"{line['other_gflops']:.0f} {line['best_other'].removeprefix('PyTorch ')}",
            f"{line['error']:.1e}",
            f"{line['error_other']:.1e}",
            times(line),
        ]
        for line in document["sweep"]
    ]
    slow = slow_phases(document["sweep"])
    return "\n\n".join([short, behind, markdown(head, rows, len(words)), slow, provenance(documents)])


def scaling(documents: list[Document]) -> str:
    """One table for each size that varies: speed in each direction, and the ratio."""
    (document,) = documents
    lines = document["scaling"]
    parts = []
    for varied in dict.fromkeys(line["varied"] for line in lines):
        rows = []
        for value in dict.fromkeys(line["value"] for line in lines if line["varied"] == varied):
            mine = [line for line in lines if (line["varied"], line["value"]) == (varied, value)]
            rows.append([str(value), *(cell for line in mine for cell in (f"{line['gflops']:.0f}", times(line)))])
        head = [
            varied,
            *(cell for direction in DIRECTIONS for cell in (f"{direction}, GFLOP/s", "PyTorch's best / ours")),
        ]
        parts.append(markdown(head, rows))
    plot = "![Speed against batch, image side, channels and threads](images/scaling.png)"
    return "\n\n".join([plot, *parts, slow_phases(lines), provenance(documents)])


def end_to_end(documents: list[Document]) -> str:
    """Whole processes and first steps."""
    (document,) = documents
    rows = [
        [
            line["library"],
            f"{line['seconds']:.1f}",
            f"{line['peak_memory_mb']:.0f}",
            f"{100 * line['test_accuracy']:.2f} %",
        ]
        for line in document["runs"]
    ]
    first = document["first_step"]
    said = "with a line that says so" if first["cold"]["said_so"] else "without a word"
    sentences = (
        f"First training step of a process, from its start: {statistics.median(first['warm_seconds']):.2f} s "
        f"(PyTorch eager {statistics.median(first['pytorch_seconds']):.2f} s). On the first run ever, all compiling "
        f"included: {first['cold']['seconds']:.1f} s, {said}."
    )
    command = f"`train cnn --data {document['data']} --epochs 1 --threads 1`"
    table = markdown([command, "s, start to exit", "peak MB", "test accuracy"], rows)
    return "\n\n".join([table, sentences, provenance(documents)])

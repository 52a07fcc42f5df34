"""Write every table and plot of the documentation from the measurements in ``benchmarks/results``.

Run ``python -m benchmarks.report`` after new measurements. Each table stands between two markers, and nothing between
them is typed by hand; ``tests/benchmarks/test_report.py`` compares the committed pages with what this file writes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from benchmarks import overview, tables
from benchmarks.machine import RESULTS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGE = ROOT / "docs" / "benchmarks.md"
STORY = ROOT / "scratchconv" / "kernels" / "conv2d" / "README.md"
IMAGES = ROOT / "docs" / "images"

Block = tuple[str, tables.Writer]

# Page -> marker -> the files of results and the function that formats them.
PAGES: dict[Path, dict[str, Block]] = {
    README: {
        "training": ("train-*.json", overview.training),
        "steps": ("*.json", overview.overview),
    },
    PAGE: {
        "roofline": ("roofline.json", tables.roofline),
        "ladder": ("ladder.json", tables.ladder),
        "layers": ("kernels.json", tables.layers),
        "limits": ("kernels.json", tables.limits),
        "neighbours": ("kernels.json", tables.neighbours),
        "overhead": ("overhead.json", tables.overhead),
        "steps": ("steps*.json", tables.steps),
        "sweep": ("sweep.json", tables.sweep),
        "scaling": ("scaling.json", tables.scaling),
        "end-to-end": ("end-to-end.json", tables.end_to_end),
    },
    STORY: {"ladder": ("ladder.json", tables.short_ladder)},
}


def block(pattern: str, write: tables.Writer, results: Path = RESULTS) -> str:
    """Write the text of one table, from its files of results."""
    documents = [json.loads(path.read_text()) for path in sorted(results.glob(pattern))]
    return write(documents) if documents else "Not measured yet."


def rewrite(text: str, blocks: dict[str, Block], results: Path = RESULTS) -> str:
    """Put every table between its markers; what stood there goes.

    Raises
    ------
    ValueError
        If a marker is missing or stands more than once.
    """
    for name, source in blocks.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"the page needs the markers of the table {name!r} once each: {begin.strip()} and {end}")
        before, rest = text.split(begin)
        after = rest.split(end)[1]
        text = f"{before}{begin}\n{block(*source, results)}\n\n{end}{after}"
    return text


def main() -> None:
    """Rewrite the pages and draw the plots."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    from benchmarks import plots

    for page, blocks in PAGES.items():
        page.write_text(rewrite(page.read_text(), blocks, RESULTS))
    plots.draw_all(RESULTS, IMAGES)


if __name__ == "__main__":
    main()

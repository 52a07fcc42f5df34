"""The writer of tables, and that the committed pages show what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import overview, plots, report, tables
from tests.benchmarks.documents import everything


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for name, document in everything().items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    return tmp_path


@pytest.mark.parametrize("page", report.PAGES, ids=lambda page: page.parent.name + "/" + page.name)
def test_pages_show_the_committed_results(page: Path) -> None:
    text = page.read_text()
    assert report.rewrite(text, report.PAGES[page]) == text, "run python -m benchmarks.report"


def test_plots_of_all_committed_results_are_there() -> None:
    needed = [name for name, (source, _) in plots.PLOTS.items() if (report.RESULTS / f"{source}.json").exists()]
    assert all((report.IMAGES / f"{name}.png").exists() for name in needed)


@pytest.mark.parametrize("page", report.PAGES, ids=lambda page: page.parent.name + "/" + page.name)
def test_every_table_can_be_written(page: Path, results: Path) -> None:
    text = page.read_text()
    written = report.rewrite(text, report.PAGES[page], results)
    assert "Not measured yet." not in written and "Test CPU" in written
    assert report.rewrite(written, report.PAGES[page], results) == written


def test_rewrite_replaces_only_what_stands_between_the_markers() -> None:
    blocks: dict[str, report.Block] = {"one": ("missing-*.json", overview.training)}
    written = report.rewrite("before\n<!-- begin one -->\nold\n<!-- end one -->\nafter\n", blocks)
    assert written == "before\n<!-- begin one -->\n\nNot measured yet.\n\n<!-- end one -->\nafter\n"
    assert report.rewrite(written, blocks) == written
    with pytest.raises(ValueError, match="begin one"):
        report.rewrite("no markers", blocks)


def test_main_writes_pages_and_plots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, results: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- begin ladder -->\n<!-- end ladder -->\n")
    monkeypatch.setattr(report, "RESULTS", results)
    monkeypatch.setattr(report, "IMAGES", tmp_path / "images")
    monkeypatch.setattr(report, "PAGES", {page: {"ladder": ("ladder.json", tables.ladder)}})
    report.main()
    assert "CNN layer" in page.read_text()
    assert {path.name for path in (tmp_path / "images").iterdir()} == {"roofline.png", "ladder.png", "scaling.png"}

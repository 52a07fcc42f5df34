"""Each table, from documents with known figures."""

from __future__ import annotations

from benchmarks import tables
from benchmarks.convolution import DIRECTIONS
from benchmarks.formatting import Document
from tests.benchmarks.documents import TIMES, body, everything, ladder


def test_ladder_in_full_and_in_short() -> None:
    rows = body(tables.ladder([ladder()]))
    assert rows[0] == "| CNN layer | forward | naive | 2 | 2 | 2.5 | 1.0 % | 2.0e-08 | 68 |"
    assert len(rows) == 6
    short = body(tables.short_ladder([ladder()]))
    assert short == [
        "| CNN layer | naive | 68 | 2.5 (1.0 %) | 2.5 (1.0 %) | 2.5 (1.0 %) | 2.0e-08 |",
        "| CNN layer | direct | 400 | 225 (90 %) | 225 (90 %) | 225 (90 %) | 3.0e-07 |",
    ]


def test_the_other_tables() -> None:
    documents = everything()

    def rows(write: tables.Writer, name: str) -> list[str]:
        return body(write([documents[name]]))

    assert rows(tables.roofline, "roofline")[:2] == [
        "| multiply-adds on registers | 250 GFLOP/s |  |  |",
        "| L1 | 16 KiB | 400 GB/s | 300 GB/s |",
    ]
    layers = rows(tables.layers, "kernels")
    assert layers[0] == "| CNN layer | forward | direct | 2.000 | 123 | 50 % | 1.0e-07 | 1.50 (1.25) |"
    assert layers[1].endswith("|  |")  # PyTorch has no ratio to itself
    # 10^9 flop at 250 GFLOP/s, 10^7 bytes at 40 GB/s, 2 ms measured.
    limits = rows(tables.limits, "kernels")
    assert limits[0] == "| CNN layer | forward | 4.00 | 0.25 | 4.25 | 94 % | 2.00 | 50 % | 2.12 |"
    assert len(limits) == len(DIRECTIONS)
    assert rows(tables.neighbours, "kernels") == [
        "| max-pool | PyTorch NCHW | 3000.0 | 2000.0 | 50.0 | 0.0e+00 | 1.50 (1.25) |"
    ]
    assert rows(tables.overhead, "overhead") == ["| relu | forward | 3.0 | 2000.0 | 1.50 (1.25) |"]
    assert rows(tables.steps, "steps")[1] == (
        "| cnn training step, batch 100, 1 thread | PyTorch NCHW | 2 | 1.5 | 1.0e-07 |  |"
    )
    assert rows(tables.scaling, "scaling")[0] == ("| 1 | 123 | 1.50 (1.25) | 123 | 1.50 (1.25) | 123 | 1.50 (1.25) |")
    assert rows(tables.sweep, "sweep")[:2] == ["| all | 1.50 |", "| forward | 1.50 |"]
    assert rows(tables.end_to_end, "end-to-end")[0] == "| scratchconv | 10.0 | 300 | 98.00 % |"


def test_sentences_around_the_tables() -> None:
    documents: dict[str, Document] = everything()
    assert "a note." in tables.steps([documents["steps"]])
    assert "Under 0.9: none." in tables.sweep([documents["sweep"]])
    text = tables.end_to_end([documents["end-to-end"]])
    assert "0.62 s (PyTorch eager 2.00 s)" in text and "15.0 s, with a line that says so" in text
    assert f"{TIMES['slow_rounds'] * 3} of {TIMES['rounds'] * 3} rounds" in tables.sweep([documents["sweep"]])

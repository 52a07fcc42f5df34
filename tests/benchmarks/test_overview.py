"""The tables of README.md, from documents with known figures."""

from __future__ import annotations

from benchmarks import overview
from tests.benchmarks.documents import HEAD, body, compared, everything, step


def test_training_has_a_row_for_each_library() -> None:
    text = overview.training([compared(), compared(model="resnet", data="cifar10", epochs=3, threads=None)])
    rows = body(text)
    assert rows[:2] == [
        "| cnn, mnist, 1 epoch, batch 100, 2 threads | scratchconv | 0 1 | 98.00 % | 98.50 % | 12.3 | 15.7 | 321 |",
        "| cnn, mnist, 1 epoch, batch 100, 2 threads | PyTorch channels_last "
        "| 0 1 | 50.00 % | 98.50 % | 12.3 | 15.7 | 321 |",
    ]
    assert rows[2].startswith("| resnet, cifar10, 3 epochs, batch 100, all cores | scratchconv ")
    assert text.endswith(
        "Measured on Test CPU, 2 cores; numba 0.61, PyTorch 2.4.0; commit 0123456789ab; 2026-01-02; "
        "load before 0.2 at most."
    )


def test_overview_has_one_line_for_each_thing_measured() -> None:
    two = {**HEAD, "what": "steps-2-threads", "steps": [step("scratchconv compiled, fast", threads=2, disturbed=True)]}
    text = overview.overview([*everything().values(), two])
    assert body(text) == [
        "| cnn training step, batch 100, 1 thread | eager | 2 ms | 1.50 (1.25) |",
        "| cnn training step, batch 100, 2 threads | compiled, fast | 2 ms | 1.50 (1.25)* |",
        "| 67 convolutions, all directions, 1 thread | automatic choice | geometric mean | 1.50 (worst 1.40) |",
        "| `train cnn --data mnist --epochs 1`, 1 thread | whole process | 10.0 s | 4.00 (4.00) |",
        "| `train cnn --data mnist --epochs 1`, 1 thread | peak memory | 300 MB | 2.00 (2.00) |",
        "| start of a process to its first CNN step | kernels on disk | 0.62 s | 3.20 |",
        "| the same, first run ever | compiles all kernels | 15.0 s |  |",
        "| direct convolution, stride 1, all directions | share of the FMA peak | 50 % to 50 % |  |",
    ]
    assert "Rows marked * (1 of 2)" in text


def test_overview_of_nothing() -> None:
    assert overview.overview([compared()]) == "Not measured yet."


def test_of_several_algorithms_the_best_counts() -> None:
    def line(layer: str, algorithm: str, share: float, **other: object) -> dict[str, object]:
        facts = {"layer": layer, "direction": "forward", "algorithm": algorithm, "share": share, "stride": 1}
        return {**facts, "channels": 32, **other}

    rows = overview.peaks(
        [
            line("a", "direct", 0.5),
            line("a", "direct with row reuse", 0.9),
            line("b", "direct", 0.8),
            line("c", "direct", 0.7, stride=2),
            line("d", "direct", 0.6, channels=3),
            line("b", "Winograd", 1.4),
            line("c", "Winograd", 1.1, stride=2),
            line("b", "PyTorch NCHW", 0.99),
        ]
    )
    assert [row[2] for row in rows] == [
        "80 % to 90 %",
        "70 % to 70 %",
        "60 % to 60 %",
        "140 % to 140 %",
        "110 % to 110 %",
    ]

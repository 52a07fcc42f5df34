"""The account of a plan: one row a kernel, honest work, and no trace left in the model."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

import scratchconv as sc
from scratchconv import nn
from scratchconv.compiler import _explain
from tests.compiler.pairs import SMALL, all_close, buffers, gradients, images, small, twins


def model() -> nn.Module:
    stage = nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(stage, nn.Flatten(), nn.Linear(5 * 36, 3)).double()


def test_rows_of_a_training_step() -> None:
    compiled = sc.compile(model())
    compiled(images(4, 2, 12, 12))
    state = buffers(compiled)
    rows = compiled.explain()
    all_close(state, buffers(compiled), 0)
    assert set(gradients(compiled).values()) == {None}
    conv, *_ = rows
    assert (conv.way, conv.operations) == ("forward", "conv 3×3 + batch_norm + relu + max_pool2d")
    assert conv.shapes == "(4, 2, 12, 12) → (4, 5, 6, 6)"
    assert conv.flop == 2 * 4 * 12 * 12 * 5 * 3 * 3 * 2
    # input, output before pooling, weight, bias
    assert conv.moved == 8 * (4 * 2 * 144 + 4 * 5 * 144 + 90 + 5)
    assert [row.way for row in rows] == ["forward"] * 2 + ["backward"] * 2
    assert rows[-1].algorithm.startswith("dw ") and "dx" not in rows[-1].algorithm  # the images want no gradient
    assert rows[-1].flop == conv.flop
    linear = [row for row in rows if row.operations == "view + linear"]
    assert [row.flop for row in linear] == [2 * 4 * 180 * 3, 4 * 4 * 180 * 3]
    assert all(row.seconds > 0 and math.isfinite(row.share) and row.share > 0 for row in rows)


def test_rows_of_an_evaluation() -> None:
    compiled = sc.compile(model()).eval()
    with sc.no_grad():
        compiled(images(4, 2, 12, 12))
    assert {row.way for row in compiled.explain()} == {"forward"}


def test_integers_are_arguments_too() -> None:
    class Sum(nn.Module):
        def forward(self, x: sc.Tensor) -> sc.Tensor:
            return x + x

    compiled = sc.compile(Sum())
    compiled(sc.arange(4))
    assert [row.operations for row in compiled.explain()] == ["add"]


def test_the_table_has_every_row_and_their_sum() -> None:
    row = _explain.Row("forward", "conv 3×3 + relu", "(1) → (2)", "direct", 2_000_000, 3_000_000, 0.004, 0.5)
    out = io.StringIO()
    _explain.show([row, row._replace(way="backward")], Console(file=out, width=200))
    lines = [line for line in out.getvalue().splitlines() if "│" in line]
    assert len(lines) == 3 and "conv 3×3 + relu" in lines[0] and "50%" in lines[0] and "backward" in lines[1]
    assert all(number in lines[2] for number in ("4.0", "6.00", "8.000"))


def test_two_branches_and_a_skip_are_named() -> None:
    compiled = sc.compile(sc.models.ResNet().double())
    compiled(images(2, 3, 32, 32))
    forward = [row.operations for row in compiled.explain() if row.way == "forward"]
    # Six blocks end in a sum, two of them with a projected shortcut, which is a convolution of its own.
    assert forward.count("conv 3×3 + batch_norm + skip + relu") == 6
    assert forward.count("conv 3×3 + batch_norm + relu") == 1 + 6
    assert forward.count("conv 3×3 + batch_norm") == 2


def test_in_a_file_no_name_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    _, compiled = twins(small)
    compiled(images(*SMALL))
    rows = compiled.explain()
    printed = capsys.readouterr().out
    assert all(row.operations in printed and row.shapes in printed for row in rows)

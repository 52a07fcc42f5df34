"""The step benchmark: every contender gets a row, eager is compared with eager."""

from __future__ import annotations

import pytest

from benchmarks import networks, steps
from benchmarks.effort import Effort
from benchmarks.networks import EAGER, TORCH, TORCH_EAGER, Work
from benchmarks.timing import Probe, Timing

WORK = Work("cnn", "training", 4)


def test_contenders_take_turns_in_one_process(probe: Probe, quick: Effort) -> None:
    notes: list[str] = []
    rows = steps.in_one_process(WORK, [EAGER, *TORCH_EAGER], probe, quick, notes)
    assert [row["library"] for row in rows] == [EAGER, *TORCH_EAGER] and not notes
    assert rows[0]["ratio"]["min"] > 0 and "ratio" not in rows[1]
    assert steps.table({"steps": rows}).row_count == 3


def test_refuses_to_time_different_computations(monkeypatch: pytest.MonkeyPatch, probe: Probe, quick: Effort) -> None:
    monkeypatch.setattr(networks, "build", lambda work, name: lambda: 99.0)
    with pytest.raises(RuntimeError, match="nothing was timed"):
        steps.in_one_process(WORK, [EAGER], probe, quick, [])


def test_a_compiler_that_does_not_work_is_noted(monkeypatch: pytest.MonkeyPatch, probe: Probe, quick: Effort) -> None:
    import torch

    real = networks.build

    def build(work: Work, name: str) -> networks.Step:
        if name in networks.TORCH_COMPILED:
            raise torch._dynamo.exc.TorchDynamoException("no compiler")
        return real(work, name)

    monkeypatch.setattr(networks, "build", build)
    notes: list[str] = []
    rows = steps.in_one_process(WORK, [TORCH[0], TORCH[2]], probe, quick, notes)
    assert [row["library"] for row in rows] == [TORCH[0]]
    assert notes == ["PyTorch compiled, NCHW does not work here: TorchDynamoException"]


def test_compiled_is_compared_with_every_mode_of_pytorch_and_eager_with_eager() -> None:
    names = [EAGER, networks.EXACT, *TORCH]
    seconds = dict(zip(names, ([4.0], [2.0], [8.0], [6.0], [5.0], [3.0]), strict=True))
    rows = steps.describe(WORK, 1, Timing(seconds, [False], [1.0]), dict.fromkeys(names, 1e-7))
    by_name = {row["library"]: row for row in rows}
    assert by_name[EAGER]["ratio"]["median"] == 1.5 and by_name[EAGER]["best_other"] == "PyTorch channels_last"
    assert by_name[networks.EXACT]["ratio"]["median"] == 1.5
    assert by_name[networks.EXACT]["best_other"] == "PyTorch compiled, channels_last"

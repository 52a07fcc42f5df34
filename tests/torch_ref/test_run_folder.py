"""What the reference writes to disk."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from torch_ref import run_folder
from torch_ref.models import build
from torch_ref.run_folder import RunFolder, read_metrics


def test_metrics_are_read_back_by_kind(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "a" / "b", {"lr": 0.5})
    run.record("step", loss=1.5)
    run.record("test", accuracy=0.25)
    run.record("step", loss=1.25)
    assert [line["loss"] for line in read_metrics(run.path, "step")] == [1.5, 1.25]
    assert read_metrics(run.path, "test")[0]["accuracy"] == 0.25
    assert json.loads((run.path / "config.json").read_text())["settings"] == {"lr": 0.5}


def test_channels_last_weights_are_saved_in_the_common_order(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", {})
    model = build("resnet", seed=1).to(memory_format=torch.channels_last)
    run.save_model(model)
    saved = load_file(run.path / "model.safetensors")
    assert all(torch.equal(saved[name], value) for name, value in model.state_dict().items())
    assert [path.name for path in run.path.iterdir() if "part" in path.name] == []


def test_a_failed_save_keeps_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder.create(tmp_path / "run", {})
    run.save_model(build("cnn", seed=1))
    before = (run.path / "model.safetensors").read_bytes()

    def full_disk(*args: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(run_folder, "save_file", full_disk)
    with pytest.raises(OSError, match="no space"):
        run.save_model(build("cnn", seed=2))
    assert (run.path / "model.safetensors").read_bytes() == before


def test_machine_and_versions() -> None:
    assert run_folder.machine()["cores"] == os.cpu_count()
    assert run_folder.versions()["python"] == platform.python_version()

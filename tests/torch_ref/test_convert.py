"""Weights travel between the libraries unchanged, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import scratchconv as sc
from torch_ref import convert
from torch_ref.models import build

PAIRS = {"cnn": sc.models.CNN, "resnet": sc.models.ResNet}


def states_equal(a: convert.State, b: convert.State) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)


@pytest.mark.parametrize("name", PAIRS)
def test_there_and_back(name: str) -> None:
    source, ours, back = build(name, seed=1), PAIRS[name](), build(name, seed=2)
    source(torch.rand(2, 1, 28, 28) if name == "cnn" else torch.rand(2, 3, 32, 32))  # moves the running statistics
    convert.to_scratchconv(source, ours)
    assert states_equal(convert.scratchconv_state(ours), convert.torch_state(source))
    convert.to_torch(ours, back)
    assert states_equal(convert.torch_state(back), convert.torch_state(source))


@pytest.mark.parametrize("name", PAIRS)
def test_files_of_either_load_in_the_other(name: str, tmp_path: Path) -> None:
    source, ours, back = build(name, seed=1), PAIRS[name](), build(name, seed=2)
    convert.save(source, tmp_path / "torch.safetensors")
    convert.load(ours, tmp_path / "torch.safetensors")
    convert.save(ours, tmp_path / "ours.safetensors")
    convert.load(back, tmp_path / "ours.safetensors")
    assert states_equal(convert.torch_state(back), convert.torch_state(source))


def test_each_librarys_own_files_are_such_files(tmp_path: Path) -> None:
    source, ours, back = build("cnn", seed=1), sc.models.CNN(), build("cnn", seed=2)
    safetensors.torch.save_file(source.state_dict(), tmp_path / "torch.safetensors")
    ours.load_state_dict(sc.load(tmp_path / "torch.safetensors"))
    sc.save(ours.state_dict(), tmp_path / "ours.safetensors")
    back.load_state_dict(safetensors.torch.load_file(tmp_path / "ours.safetensors"))
    assert states_equal(convert.torch_state(back), convert.torch_state(source))


def test_converted_weights_are_copies() -> None:
    source, ours = build("cnn", seed=1), sc.models.CNN()
    convert.to_scratchconv(source, ours)
    before = convert.scratchconv_state(ours)
    with torch.no_grad():
        source.fc.bias.zero_()
    assert states_equal(convert.scratchconv_state(ours), before)


def test_channels_last_weights_convert_by_meaning() -> None:
    source, ours = build("cnn", seed=1).to(memory_format=torch.channels_last), sc.models.CNN()
    convert.to_scratchconv(source, ours)
    assert states_equal(convert.scratchconv_state(ours), convert.torch_state(build("cnn", seed=1)))


def test_misfits_are_all_listed_and_nothing_changes() -> None:
    state = convert.torch_state(build("cnn", seed=1))
    del state["conv1.0.bias"]
    state["extra"] = np.zeros(3, np.float32)
    state["fc.weight"] = state["fc.weight"].T
    state["fc.bias"] = state["fc.bias"].astype(np.float64)
    for model, load, read in (
        (build("cnn", seed=2), convert.load_torch, convert.torch_state),
        (sc.models.CNN(), convert.load_scratchconv, convert.scratchconv_state),
    ):
        before = read(model)
        with pytest.raises(ValueError, match="do not fit CNN") as error:
            load(model, state)
        for text in (
            "missing conv1.0.bias, float32[16]",
            "unexpected extra, float32[3]",
            "fc.weight is float32[1568, 10], but the module has float32[10, 1568]",
            "fc.bias is float64[10], but the module has float32[10]",
        ):
            assert text in str(error.value)
        assert states_equal(read(model), before)

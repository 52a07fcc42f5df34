from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scratchconv import nn, optim, serialization
from scratchconv.autograd import Tensor
from scratchconv.serialization import load, save


def assert_same(loaded: Any, saved: Any) -> None:
    """Equal structure and plain values; arrays come back as tensors with the same bits."""
    if isinstance(saved, np.ndarray):
        assert isinstance(loaded, Tensor)
        assert loaded.dtype == saved.dtype
        assert np.array_equal(loaded.data, saved, equal_nan=saved.dtype.kind == "f")
        assert loaded.shape == saved.shape
    elif isinstance(saved, dict):
        assert list(loaded) == list(saved)
        for key in saved:
            assert_same(loaded[key], saved[key])
    elif isinstance(saved, list | tuple):
        assert type(loaded) is type(saved)
        assert len(loaded) == len(saved)
        for a, b in zip(loaded, saved, strict=True):
            assert_same(a, b)
    else:
        assert loaded == saved
        assert type(loaded) is type(saved)


arrays = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]), hnp.array_shapes(min_dims=0, min_side=0)
)
plain = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=3)
trees = st.recursive(
    arrays | plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2) | st.integers(0, 3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(tree=trees)
def test_any_structure_comes_back(tree: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("trees") / "tree.safetensors"
    save(tree, path)
    assert_same(load(path), tree)


def test_colliding_places_stay_apart(tmp_path: Path) -> None:
    tree = {"a": {"b": np.zeros(1), 1: np.ones(1), "1": np.full(1, 2.0)}, "a/b": np.full(1, 3.0)}
    save(tree, tmp_path / "x")
    assert_same(load(tmp_path / "x"), tree)


def test_memory_order_is_logical_on_disk_and_restored_on_load(tmp_path: Path) -> None:
    layer, other = nn.Conv2d(2, 3, 3), nn.Conv2d(2, 3, 3)
    save(layer.state_dict(), tmp_path / "conv")
    other.load_state_dict(load(tmp_path / "conv"))
    assert np.array_equal(other.weight.data, layer.weight.data)
    assert other.weight.data.strides == layer.weight.data.strides
    theirs = safetensors.torch.load_file(tmp_path / "conv")
    assert np.array_equal(theirs["weight"].numpy(), layer.weight.data)
    assert theirs.keys() == {"weight", "bias"}


def test_reads_what_torch_wrote(tmp_path: Path) -> None:
    theirs = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    safetensors.torch.save_file(theirs.state_dict(), tmp_path / "model")
    ours = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    ours.load_state_dict(load(tmp_path / "model"))
    for name, value in ours.state_dict().items():
        assert np.array_equal(value.data, theirs.state_dict()[name].numpy()), name


def test_torch_reads_what_we_wrote(tmp_path: Path) -> None:
    ours = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    save(ours.state_dict(), tmp_path / "model")
    theirs = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    theirs.load_state_dict(safetensors.torch.load_file(tmp_path / "model"))
    assert np.array_equal(theirs[0].weight.detach().numpy(), ours[0].weight.data)


def test_an_optimizers_state_comes_back(tmp_path: Path) -> None:
    layer = nn.Linear(2, 2)
    optimizer = optim.Adam(layer.parameters(), betas=(0.8, 0.9))
    for p in layer.parameters():
        p.grad = Tensor(np.ones(p.shape, np.float32))
    optimizer.step()
    save({"epoch": 3, "optimizer": optimizer.state_dict()}, tmp_path / "checkpoint")
    checkpoint = load(tmp_path / "checkpoint")
    assert checkpoint["epoch"] == 3
    other = optim.Adam(layer.parameters())
    other.load_state_dict(checkpoint["optimizer"])
    assert other.param_groups[0]["betas"] == (0.8, 0.9)
    for p in layer.parameters():
        assert other.state[p]["step"] == 1
        assert np.array_equal(other.state[p]["exp_avg"].data, optimizer.state[p]["exp_avg"].data)


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model"
    save({"a": np.ones(2)}, path)

    def full_disk(self: Path, target: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save({"a": np.zeros(2)}, path)
    assert_same(load(path), {"a": np.ones(2)})
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({"a": [1, object()]}, "a/1"),
        (object(), "the top"),
        ({"z": np.zeros(2, np.complex64)}, "complex64.*z"),
        ({(1, 2): np.zeros(1)}, r"\(1, 2\)"),
    ],
)
def test_what_cannot_be_saved_is_named(tmp_path: Path, obj: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        save(obj, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")


def test_unreadable_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    safetensors.torch.save_file({"a": torch.zeros(2, dtype=torch.bfloat16)}, path)
    whole = tmp_path / "whole"
    save({"a": np.ones(100)}, whole)
    broken = [b"", b"hello", b"\xff" * 64, path.read_bytes(), whole.read_bytes()[:-1], whole.read_bytes() + b"\0"]
    for content in broken:
        path.write_bytes(content)
        with pytest.raises(ValueError, match="file"):
            load(path)


def test_foreign_structure_is_refused(tmp_path: Path) -> None:
    for structure in ("not json", '{"tensor": "b"}', '{"dict": 3}', '{"surprise": []}', "{}"):
        metadata = {serialization._STRUCTURE: structure}
        safetensors.torch.save_file({"a": torch.zeros(2)}, tmp_path / "x", metadata=metadata)
        with pytest.raises(ValueError, match="safetensors"):
            load(tmp_path / "x")

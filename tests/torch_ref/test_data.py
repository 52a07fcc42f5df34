"""The data sets of the reference."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import datasets

from torch_ref import data


def write_idx(path: Path, array: np.ndarray) -> None:
    """The format of MNIST: magic number, sizes, bytes."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


@pytest.fixture
def mnist_root(tmp_path: Path) -> Path:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
    for part in ("train", "t10k"):
        write_idx(folder / f"{part}-images-idx3-ubyte", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(6, dtype=np.uint8))
    return tmp_path


def test_mnist_is_read_from_the_root(mnist_root: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
    image, label = data.load("mnist", train=True, root=mnist_root)[4]
    assert label == 4
    assert torch.equal(image, torch.from_numpy(images[4:5]).float() / 255)


def test_root_comes_from_the_environment(mnist_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(data.ROOT_VARIABLE, str(mnist_root))
    assert len(data.load("mnist", train=False)) == 6


def test_missing_data_offline_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline(self: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr(datasets.MNIST, "download", offline)
    with pytest.raises(
        data.DataNotFoundError, match=r"(?s)mnist is not in .*no network.*--data-root.*SCRATCHCONV_DATA"
    ):
        data.load("mnist", train=True, root=tmp_path)
    assert "downloading" in capsys.readouterr().out  # it never starts a download without saying so


def test_a_damaged_file_is_not_trained_on(mnist_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mnist_root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises((ValueError, AssertionError, TypeError, KeyError)):
        data.load("mnist", train=True, root=mnist_root)


def test_cifar_augmentation_keeps_the_size_and_varies() -> None:
    from PIL import Image

    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    torch.manual_seed(0)
    augment = data.transform_of("cifar10", train=True)
    first, second = augment(image), augment(image)
    assert first.shape == second.shape == (3, 32, 32)
    assert not torch.equal(first, second)
    plain = data.transform_of("cifar10", train=False)
    assert torch.equal(plain(image), plain(image))


def test_unknown_data_name() -> None:
    with pytest.raises(ValueError, match=r"digits, mnist, fashion-mnist, cifar10; got 'imagenet'"):
        data.load("imagenet", train=True)  # type: ignore[arg-type]


def test_loader_shuffles_by_seed(mnist_root: Path) -> None:
    dataset = data.load("mnist", train=True, root=mnist_root)

    def order(seed: int, shuffle: bool) -> list[int]:
        return [int(n) for _, labels in data.loader(dataset, 4, shuffle=shuffle, seed=seed) for n in labels]

    assert order(0, True) == order(0, True) != order(1, True)
    assert sorted(order(0, True)) == order(0, False) == list(range(6))


def test_digits_are_scratchconvs() -> None:
    scratchconv_data = pytest.importorskip("scratchconv.data")
    ours = scratchconv_data.Digits(train=True)
    theirs = data.load("digits", train=True)
    assert len(ours) == len(theirs)
    image, label = theirs[7]
    assert image.shape == (1, 28, 28)
    assert label == int(ours.labels[7])
    np.testing.assert_array_equal(image.numpy() * 255, np.asarray(ours.images[7]).reshape(1, 28, 28))

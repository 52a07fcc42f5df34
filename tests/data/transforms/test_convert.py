from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision import transforms as torchvision_transforms

from scratchconv.data import transforms


def pixels(channels: int, n: int = 3) -> np.ndarray:
    """A batch in which every value of a pixel occurs."""
    values = np.random.default_rng(0).permutation(np.arange(n * 20 * 16 * channels) % 256)
    return values.astype(np.uint8).reshape(n, 20, 16, channels)


@pytest.mark.parametrize("channels", [1, 3])
def test_to_tensor_is_torchvisions_to_the_last_bit(channels: int) -> None:
    batch = pixels(channels)
    ours = transforms.ToTensor()(batch)
    theirs = torch.stack([torchvision_transforms.ToTensor()(image) for image in batch])
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, theirs.numpy())


def test_to_tensor_makes_one_array_channels_last_in_memory() -> None:
    result = transforms.ToTensor()(pixels(3))
    assert result.shape == (3, 3, 20, 16)
    assert result.transpose(0, 2, 3, 1).flags.c_contiguous
    assert result.base is not None and result.base.base is None  # a view of the array it made, and of no other


def test_to_tensor_of_pixels_that_are_not_contiguous() -> None:
    batch = pixels(3)[:, ::2, ::-1]
    np.testing.assert_array_equal(transforms.ToTensor()(batch), batch.transpose(0, 3, 1, 2) / np.float32(255))
    assert transforms.ToTensor()(batch[:0]).shape == (0, 3, 10, 16)


def test_to_tensor_takes_pixels_only() -> None:
    with pytest.raises(TypeError, match=r"uint8 \(N, H, W, C\) pixels, got float64 \(3, 20, 16, 1\)"):
        transforms.ToTensor()(pixels(1) / 255)


@pytest.mark.parametrize(
    ("channels", "mean", "std"),
    [(1, 0.1307, 0.3081), (3, [0.4914, 0.4822, 0.4465], [0.247, 0.2435, 0.2616]), (3, [0.5], [0.5])],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalize_is_torchvisions_to_the_last_bit(channels: int, mean: object, std: object, dtype: type) -> None:
    images = (pixels(channels) / 255).transpose(0, 3, 1, 2).astype(dtype)
    before = images.copy()
    ours = transforms.Normalize(mean, std)(images)  # type: ignore[arg-type]
    theirs = torchvision_transforms.Normalize(mean, std)(torch.from_numpy(images))
    assert ours.dtype == dtype and ours.transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_array_equal(ours, theirs.numpy())
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    ("mean", "std"), [([0.5, 0.5], [0.5]), ([[0.5]], [[0.5]]), (0.5, 0.0), (0.5, -1), ([0, 0], [1, 0])]
)
def test_normalize_refuses_bad_numbers(mean: object, std: object) -> None:
    with pytest.raises(ValueError, match=r"mean and std need one number|std must be positive"):
        transforms.Normalize(mean, std)  # type: ignore[arg-type]


def test_normalize_says_what_does_not_fit() -> None:
    normalize = transforms.Normalize([0.1, 0.2], [1, 1])
    with pytest.raises(ValueError, match=r"Normalize has 2 channels, the images \(3, 1, 20, 16\) have 1"):
        normalize(transforms.ToTensor()(pixels(1)))
    with pytest.raises(TypeError, match=r"after ToTensor.*uint8"):
        normalize(pixels(1))

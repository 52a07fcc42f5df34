from __future__ import annotations

import numpy as np
import pytest

from scratchconv.autograd import Tensor
from scratchconv.data import ArrayDataset, transforms

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 5, 4), np.uint8)
COLOUR = RNG.integers(0, 256, (6, 5, 4, 3), np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9])


def test_without_a_transform_the_pixels_come_as_they_are() -> None:
    for images in (GREY, COLOUR):
        data = ArrayDataset(images, LABELS, "abcdefghij")
        image, label = data[2]
        np.testing.assert_array_equal(image.reshape(images[2].shape), images[2])
        assert image.dtype == np.uint8 and label == 4 and type(label) is int
        assert (len(data), data.labels.dtype, data.classes[1]) == (6, np.int64, "b")


def test_an_item_is_transformed_to_a_tensor() -> None:
    for images, shape in ((GREY, (1, 5, 4)), (COLOUR, (3, 5, 4))):
        image, label = ArrayDataset(images, LABELS, transform=transforms.ToTensor())[-1]
        assert isinstance(image, Tensor) and image.shape == shape and label == 9
        channels_first = images.reshape(6, 5, 4, -1)[-1].transpose(2, 0, 1)
        np.testing.assert_array_equal(image.numpy(), channels_first / np.float32(255))


def test_a_plain_function_is_a_transform_of_batches() -> None:
    data = ArrayDataset(COLOUR, LABELS, transform=lambda images: 255 - images)
    np.testing.assert_array_equal(data.batch(np.array([4, 0])), 255 - COLOUR[[4, 0]])


def test_batch_hands_on_the_generator() -> None:
    data = ArrayDataset(COLOUR, LABELS, transform=transforms.RandomCrop(2))
    first, again = (data.batch(np.arange(6), np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_subset_keeps_transform_and_classes() -> None:
    data = ArrayDataset(COLOUR, LABELS, "abcdefghij", transforms.ToTensor())
    for part in (data.subset([5, 0]), data.subset(np.array([5, 0])), data.subset(slice(None, None, -5))):
        np.testing.assert_array_equal(part.images, COLOUR[[5, 0]])
        assert part.labels.tolist() == [9, 3] and part.classes == data.classes and part.transform is data.transform


def test_iteration_ends() -> None:
    assert [label for _, label in ArrayDataset(GREY, LABELS)] == LABELS.tolist()  # type: ignore[attr-defined]
    for index in (6, -7):
        with pytest.raises(IndexError, match=f"{index} is out of range for 6"):
            ArrayDataset(GREY, LABELS)[index]


@pytest.mark.parametrize(
    ("images", "labels", "error", "message"),
    [
        (GREY, LABELS[:5], ValueError, r"\(6, 5, 4\) and \(5,\)"),
        (GREY[0], LABELS[:5], ValueError, r"\(5, 4\)"),
        (GREY, LABELS[:, None], ValueError, r"\(6, 1\)"),
        (GREY / 255, LABELS, TypeError, "float64"),
        (GREY, LABELS / 2, TypeError, "float64"),
    ],
)
def test_bad_arguments(images: np.ndarray, labels: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ArrayDataset(images, labels)

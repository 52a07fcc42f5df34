from __future__ import annotations

import numpy as np
import pytest

import scratchconv
from scratchconv.data import transforms
from scratchconv.data.transforms.base import as_pair, as_rows, from_rows

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)


def test_compose_applies_in_order_and_takes_plain_functions() -> None:
    chain = transforms.Compose([lambda images: images[:, :3], transforms.ToTensor(), lambda images: images * 2])
    np.testing.assert_array_equal(chain(PIXELS), PIXELS[:, :3].transpose(0, 3, 1, 2) / np.float32(255) * 2)


def test_compose_of_nothing_changes_nothing() -> None:
    np.testing.assert_array_equal(transforms.Compose([])(PIXELS), PIXELS)


def test_compose_hands_one_generator_through_all_steps() -> None:
    flip, crop = transforms.RandomHorizontalFlip(), transforms.RandomCrop(3)
    rng = np.random.default_rng(1)
    expected = crop(flip(PIXELS, rng), rng)
    nested = transforms.Compose([transforms.Compose([flip]), crop])
    np.testing.assert_array_equal(nested(PIXELS, np.random.default_rng(1)), expected)


def test_manual_seed_seeds_transforms_without_a_generator() -> None:
    crop = transforms.RandomCrop(2)
    results = []
    for seed in (1, 1, 2):
        scratchconv.manual_seed(seed)
        results.append(crop(PIXELS))
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


def test_compose_takes_only_callables() -> None:
    with pytest.raises(TypeError, match="got 'flip'"):
        transforms.Compose(["flip"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "transform",
    [transforms.ToTensor(), transforms.Resize(4), transforms.RandomCrop(4), transforms.RandomHorizontalFlip()],
    ids=repr,
)
def test_one_image_is_not_taken_for_a_batch(transform: transforms.Transform) -> None:
    with pytest.raises(ValueError, match=r"on batches .*got shape \(5, 6, 3\); index one image as images\[None\]"):
        transform(PIXELS[0])


@pytest.mark.parametrize("transform", [transforms.RandomCrop(4), transforms.RandomHorizontalFlip()], ids=repr)
def test_other_dtypes_are_refused(transform: transforms.Transform) -> None:
    with pytest.raises(TypeError, match="int64"):
        transform(PIXELS.astype(np.int64))


def test_reprs_can_be_read_back() -> None:
    chain = transforms.Compose(
        [
            transforms.Resize((40, 41)),
            transforms.RandomHorizontalFlip(0.3),
            transforms.RandomCrop(32, padding=4),
            transforms.ToTensor(),
            transforms.Normalize([0.5, 0.4, 0.3], [1.0, 2.0, 3.0]),
        ]
    )
    assert repr(eval(repr(chain).replace("Compose(", "Compose([", 1)[:-1] + "])", vars(transforms))) == repr(chain)


def test_rows_and_back() -> None:
    floats = (PIXELS / 255).transpose(0, 3, 1, 2)
    for images in (PIXELS, floats, np.ascontiguousarray(floats), PIXELS[:, ::-1]):
        rows = as_rows(images)
        assert rows.flags.c_contiguous and rows.shape == PIXELS.shape
        np.testing.assert_array_equal(from_rows(rows), images)
    assert as_rows(PIXELS) is PIXELS and np.shares_memory(as_rows(floats), floats)


@pytest.mark.parametrize("size", [0, -1, 2.5, (3,), (3, 0), (3, 4, 5), (3, 4.5)])
def test_sizes_are_positive_integers(size: object) -> None:
    with pytest.raises(ValueError, match="size is a positive integer or a pair"):
        as_pair(size, "size")  # type: ignore[arg-type]

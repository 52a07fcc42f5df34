from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from scratchconv.data import transforms

Form = Callable[[np.ndarray], np.ndarray]


def floats(images: np.ndarray) -> np.ndarray:
    return transforms.ToTensor()(images)


def unchanged(images: np.ndarray) -> np.ndarray:
    return images


FORMS = pytest.mark.parametrize("form", [unchanged, floats])


def pixels(n: int, h: int, w: int, c: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (n, h, w, c), np.uint8)


@FORMS
@pytest.mark.parametrize("channels", [1, 3])
def test_flip_mirrors_all_or_none(form: Form, channels: int) -> None:
    images = pixels(5, 4, 7, channels)
    before = images.copy()
    flipped = transforms.RandomHorizontalFlip(1)(form(images))
    np.testing.assert_array_equal(flipped, form(images[:, :, ::-1]))
    np.testing.assert_array_equal(transforms.RandomHorizontalFlip(0)(form(images)), form(images))
    np.testing.assert_array_equal(images, before)


@FORMS
def test_flip_chooses_each_image_with_the_probability(form: Form) -> None:
    images = form(pixels(2000, 2, 3, 1))
    flipped = transforms.RandomHorizontalFlip(0.3)(images, np.random.default_rng(0))
    mirrored = images[:, :, ::-1] if form is unchanged else images[..., ::-1]
    was_flipped = (flipped == mirrored).all(axis=(1, 2, 3))
    kept = (flipped == images).all(axis=(1, 2, 3))
    assert (was_flipped | kept).all()
    # 600 ± 4 standard deviations of 20.5, and a few that are their own mirror image.
    assert abs((was_flipped & ~kept).sum() - 600) < 82


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_flip_needs_a_probability(p: float) -> None:
    with pytest.raises(ValueError, match="p is a probability"):
        transforms.RandomHorizontalFlip(p)


@FORMS
@given(
    h=st.integers(1, 7),
    w=st.integers(1, 7),
    c=st.sampled_from([1, 3]),
    padding=st.integers(0, 2),
    data=st.data(),
)
def test_crop_is_a_window_of_the_padded_image(
    form: Form, h: int, w: int, c: int, padding: int, data: st.DataObject
) -> None:
    oh, ow = data.draw(st.integers(1, h + 2 * padding)), data.draw(st.integers(1, w + 2 * padding))
    images = pixels(6, h, w, c)
    cropped = transforms.RandomCrop((oh, ow), padding)(form(images), np.random.default_rng(0))
    rows = cropped if form is unchanged else cropped.transpose(0, 2, 3, 1)
    source = form(images) if form is unchanged else form(images).transpose(0, 2, 3, 1)
    padded = np.pad(source, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    windows = sliding_window_view(padded, (oh, ow), axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3)
    matches = (windows == rows[:, None, None]).all(axis=(3, 4, 5))
    assert rows.shape == (6, oh, ow, c) and matches.any(axis=(1, 2)).all()


def test_crop_reaches_every_place_equally_and_each_image_on_its_own() -> None:
    n, places = 3000, 3 * 2
    images = np.broadcast_to(np.arange(12, dtype=np.uint8).reshape(1, 4, 3, 1), (n, 4, 3, 1))
    corners = transforms.RandomCrop(2)(images, np.random.default_rng(0))[:, 0, 0, 0]
    counts = np.bincount(corners, minlength=12)
    possible = [0, 1, 3, 4, 6, 7]  # rows 0 to 2, columns 0 and 1
    assert set(np.flatnonzero(counts)) == set(possible)
    assert np.abs(counts[possible] - n / places).max() < 82  # 4 standard deviations of 20.4
    assert (corners[1:] != corners[:-1]).mean() > 0.7  # 5/6, had they been drawn image by image


def test_crop_of_the_whole_image_is_the_image() -> None:
    images = pixels(2, 5, 4, 3)
    np.testing.assert_array_equal(transforms.RandomCrop((5, 4))(images), images)


def test_the_same_generator_makes_the_same_choices() -> None:
    images = pixels(20, 8, 8, 3)
    for transform in (transforms.RandomCrop(5, padding=1), transforms.RandomHorizontalFlip()):
        first, again, other = (transform(images, np.random.default_rng(seed)) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


@FORMS
def test_no_images(form: Form) -> None:
    images = form(pixels(0, 8, 8, 3))
    assert len(transforms.RandomHorizontalFlip()(images)) == 0
    assert transforms.RandomCrop(4)(images).shape == ((0, 4, 4, 3) if form is unchanged else (0, 3, 4, 4))


def test_crop_larger_than_the_image() -> None:
    with pytest.raises(ValueError, match=r"\(9, 9\) is larger than the images: \(2, 6, 6, 1\), 8×8 with padding=1"):
        transforms.RandomCrop(9, padding=1)(pixels(2, 6, 6, 1))


@pytest.mark.parametrize(("size", "padding"), [(0, 0), ((3, -1), 0), (3, -1), (3, 1.5), (3, (1, 1))])
def test_crop_refuses_bad_numbers(size: object, padding: object) -> None:
    with pytest.raises(ValueError, match=r"size is a positive|padding is an integer"):
        transforms.RandomCrop(size, padding)  # type: ignore[arg-type]

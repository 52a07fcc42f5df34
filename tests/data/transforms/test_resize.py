from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms as torchvision_transforms

from scratchconv.data import CIFAR10, transforms
from scratchconv.data.transforms import resize
from scratchconv.data.transforms.resize import weights

SIDES = st.integers(1, 40)


def pillows(images: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """Resize (N, H, W, C) image by image with Pillow, as torchvision does it."""
    theirs = torchvision_transforms.Resize(size)
    resized = [np.asarray(theirs(Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image)))
               for image in images]  # fmt: skip
    return np.stack(resized).reshape(len(images), *resized[0].shape[:2], images.shape[-1])


def pixels(h: int, w: int, c: int, n: int = 2) -> np.ndarray:
    """Noise, in which every mistake in a weight shows."""
    return np.random.default_rng(h * 100 + w).integers(0, 256, (n, h, w, c), np.uint8)


@given(h=SIDES, w=SIDES, oh=SIDES, ow=SIDES, c=st.sampled_from([1, 3]))
@example(h=32, w=32, oh=40, ow=40, c=3)
@example(h=8, w=8, oh=28, ow=28, c=1)
@example(h=40, w=39, oh=1, ow=40, c=3)
def test_within_one_grey_level_of_pillow(h: int, w: int, oh: int, ow: int, c: int) -> None:
    images = pixels(h, w, c)
    before = images.copy()
    ours = transforms.Resize((oh, ow))(images)
    # Pillow rounds to a grey level between its passes, we to a quarter, and our weights are coarser: sums that differ
    # by 0.5 + 0.125 + a little are never rounded more than one level apart.
    assert np.abs(ours.astype(int) - pillows(images, (oh, ow))).max() <= 1
    assert ours.dtype == np.uint8 and ours.shape == (2, oh, ow, c)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(("size", "new"), [(300, 7), (7, 300), (1000, 3), (224, 32)])
def test_large_factors(size: int, new: int) -> None:
    images = pixels(size, 5, 3)
    assert np.abs(transforms.Resize((new, 5))(images).astype(int) - pillows(images, (new, 5))).max() <= 1


def test_real_images_are_nearer_to_the_formula_than_pillows(real_data: Path) -> None:
    images = CIFAR10(real_data, train=False).images[:200]
    w = weights(32, 40, bits=40)
    exact = np.einsum("ih,jw,nhwc->nijc", w, w, images, optimize=True)
    ours, theirs = transforms.Resize(40)(images).astype(int), pillows(images, 40)
    our_error, their_error = np.abs(ours - exact), np.abs(theirs - exact)
    # Half a level for the last rounding, an eighth for the one between, and at most 127.5 * 2 * 2⁻¹⁵ for the weights.
    assert our_error.max() <= 0.5 + 0.125 + 0.01
    assert our_error.mean() < their_error.mean()
    assert np.abs(ours - theirs).max() <= 1


@given(h=SIDES, w=SIDES, size=st.integers(1, 40))
def test_an_integer_is_the_shorter_side(h: int, w: int, size: int) -> None:
    images = pixels(h, w, 1)
    assert transforms.Resize(size)(images).shape == pillows(images, size).shape


def test_doubling_a_line_by_hand() -> None:
    """Centres fall a quarter to either side: 3/4 of the near pixel and 1/4 of the far one; the edges repeat."""
    line = np.array([0, 100, 200], np.uint8).reshape(1, 1, 3, 1)
    assert transforms.Resize((1, 6))(line).ravel().tolist() == [0, 25, 75, 125, 175, 200]
    assert transforms.Resize((6, 1))(line.reshape(1, 3, 1, 1)).ravel().tolist() == [0, 25, 75, 125, 175, 200]


def test_halving_a_line_by_hand() -> None:
    """The triangle is four pixels wide: weights 1, 3, 3, 1 of 8 inside, 3, 3, 1 of 7 at the edges."""
    sevenths_and_eighths = weights(6, 3, bits=16) * [[7], [8], [7]]
    expected = [[3, 3, 1, 0, 0, 0], [0, 1, 3, 3, 1, 0], [0, 0, 0, 1, 3, 3]]
    np.testing.assert_allclose(sevenths_and_eighths, expected, rtol=0, atol=7 * 2**-16)  # one unit of a weight
    line = np.array([0, 0, 70, 0, 0, 0], np.uint8).reshape(1, 1, 6, 1)
    assert transforms.Resize((1, 3))(line).ravel().tolist() == [10, 26, 0]


def test_halves_are_rounded_up() -> None:
    line = np.array([0, 2], np.uint8).reshape(1, 1, 2, 1)  # doubled: 0, 1/2, 3/2, 2
    assert transforms.Resize((1, 4))(line).ravel().tolist() == [0, 1, 2, 2]


@given(size=SIDES, new=SIDES, bits=st.integers(8, 20))
def test_weights_are_whole_units_that_sum_to_one(size: int, new: int, bits: int) -> None:
    w = weights(size, new, bits)
    assert (w.sum(axis=1) == 1).all() and (w >= 0).all()
    assert (w * 2**bits == np.rint(w * 2**bits)).all()


@given(h=SIDES, w=SIDES, oh=SIDES, ow=SIDES, value=st.integers(0, 255))
def test_a_flat_image_stays_flat(h: int, w: int, oh: int, ow: int, value: int) -> None:
    assert (transforms.Resize((oh, ow))(np.full((1, h, w, 1), value, np.uint8)) == value).all()


def test_the_result_does_not_depend_on_how_the_work_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    images = pixels(32, 30, 3, n=7)
    expected = transforms.Resize((40, 17))(images)
    for block, group_bytes in ((1, 1), (5, 1), (1000, 1 << 30)):
        monkeypatch.setattr(resize, "BLOCK", block)
        monkeypatch.setattr(resize, "GROUP_BYTES", group_bytes)
        resize._blocks.cache_clear()
        np.testing.assert_array_equal(transforms.Resize((40, 17))(images), expected)
        np.testing.assert_array_equal(transforms.Resize((40, 17))(images[3:4]), expected[3:4])
    resize._blocks.cache_clear()


def test_pixels_that_are_not_contiguous_and_none_at_all() -> None:
    images = pixels(9, 8, 3)[:, ::-1, ::2]
    np.testing.assert_array_equal(transforms.Resize((4, 6))(images), transforms.Resize((4, 6))(images.copy()))
    assert transforms.Resize(4)(images[:0]).shape == (0, 9 * 4 // 4, 4, 3)


def test_floats_are_refused() -> None:
    with pytest.raises(TypeError, match=r"before ToTensor.*float32"):
        transforms.Resize(4)(transforms.ToTensor()(pixels(8, 8, 3)))


@pytest.mark.parametrize("size", [0, (4, 0), (4,), 2.5])
def test_bad_sizes(size: object) -> None:
    with pytest.raises(ValueError, match="size is a positive integer"):
        transforms.Resize(size)  # type: ignore[arg-type]

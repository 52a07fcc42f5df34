from __future__ import annotations

import hashlib
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

from scratchconv.data import Digits
from scratchconv.data.digits import TRAIN_COUNT, read_embedded, split_order

UCI_COUNTS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # of optdigits.tes, from UCI's description of it


def test_the_embedded_file_is_uncis_test_part() -> None:
    strokes, labels = read_embedded()
    assert strokes.shape == (1797, 8, 8) and (strokes.min(), strokes.max()) == (0, 16)
    assert np.bincount(labels).tolist() == UCI_COUNTS
    assert strokes[0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0] and labels[:10].tolist() == list(range(10))


def test_its_readme_gives_the_checksum_and_the_licence() -> None:
    folder = files("scratchconv.data").joinpath("embedded")
    packed = folder.joinpath("digits.csv.gz").read_bytes()
    text = folder.joinpath("README.md").read_text()
    assert hashlib.sha256(packed).hexdigest() in text and "CC BY 4.0" in text
    assert len(packed) < 64 * 1024


def test_the_split_is_whole_and_fixed() -> None:
    order = split_order(1797)
    assert sorted(order) == list(range(1797))
    # The same on every machine and NumPy: raw output of PCG64 seeded with 1998, sorted.
    assert order[:8].tolist() == [62, 1128, 457, 1325, 207, 1682, 500, 1262]
    labels = read_embedded()[1]
    train, test = Digits(train=True), Digits(train=False)
    assert (len(train), len(test)) == (1500, 297)
    np.testing.assert_array_equal(np.concatenate([train.labels, test.labels]), labels[order])


def test_images_are_pillows_enlargement() -> None:
    strokes = read_embedded()[0][split_order(1797)]
    grey = np.round(strokes / 16 * 255).astype(np.uint8)
    for data, originals in ((Digits(train=True), grey[:TRAIN_COUNT]), (Digits(train=False), grey[TRAIN_COUNT:])):
        assert data.images.shape == (len(originals), 28, 28) and data.images.dtype == np.uint8
        for image, original in zip(data.images[::25], originals[::25], strict=True):
            enlarged = np.asarray(Image.fromarray(original).resize((28, 28), Image.Resampling.BILINEAR))
            # One grey level: Pillow rounds between width and height, Resize does not.
            assert np.abs(image.astype(int) - enlarged).max() <= 1


def test_it_is_made_like_the_other_data_sets() -> None:
    data = Digits("/nowhere", train=False, download=True)
    np.testing.assert_array_equal(data.images, Digits(train=False).images)
    assert data.classes == tuple("0123456789")


@pytest.mark.parametrize("train", [True, False])
def test_every_class_is_in_both_parts(train: bool) -> None:
    shares = np.bincount(Digits(train=train).labels) / UCI_COUNTS
    # A random split, not a stratified one: 3 standard deviations of a share of 83.5 % (or 16.5 %) of 180 are 8.3 %.
    assert np.abs(shares - (1500 if train else 297) / 1797).max() < 0.083

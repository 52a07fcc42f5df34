from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torchvision

from scratchconv.data import MNIST, DataError, FashionMNIST
from tests.data.files import files_in, idx, mnist_parts, server, write_mnist_archives

BOTH = [(MNIST, torchvision.datasets.MNIST), (FashionMNIST, torchvision.datasets.FashionMNIST)]


@pytest.mark.parametrize(("ours", "theirs"), BOTH)
def test_torchvision_reads_what_we_download(
    ours: type[MNIST], theirs: type, tmp_path: Path, web: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    with server(web) as address:
        monkeypatch.setattr(ours, "archives", write_mnist_archives(web, address))
        for train in (True, False):
            data = ours(root, train=train, download=True)
            reference = theirs(root, train=train, download=False)
            np.testing.assert_array_equal(data.images, reference.data.numpy())
            np.testing.assert_array_equal(data.labels, reference.targets.numpy())
            assert len(data) == (30 if train else 20)
    names = sorted(mnist_parts())
    assert files_in(root) == sorted(f"{ours.__name__}/raw/{name}{end}" for name in names for end in ("", ".gz"))


@pytest.mark.parametrize(("ours", "theirs"), BOTH)
def test_checksums_and_first_mirrors_are_torchvisions(ours: type[MNIST], theirs: type) -> None:
    assert [(archive.name, archive.md5) for archive in ours.archives] == theirs.resources  # type: ignore[attr-defined]
    assert ours.archives[0].mirrors[0] == theirs.mirrors[0]  # type: ignore[attr-defined]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("download", [True, False])
def test_files_placed_by_hand_are_read_without_a_network(tmp_path: Path, packed: bool, download: bool) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, array in mnist_parts().items():
        content = idx(array)
        (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)
    data = MNIST(tmp_path, train=False, download=download)
    np.testing.assert_array_equal(data.images, mnist_parts()["t10k-images-idx3-ubyte"])


def test_an_interrupted_download_is_taken_up_again(tmp_path: Path, web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(web, cut_short=True) as address:
        monkeypatch.setattr(MNIST, "archives", write_mnist_archives(web, address))
        with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is wanted in") as caught:
            MNIST(tmp_path / "root", download=True)
    assert all(archive.urls[0] in str(caught.value) for archive in MNIST.archives)  # to be fetched by hand
    assert files_in(tmp_path / "root") == []
    with server(web) as address:
        monkeypatch.setattr(MNIST, "archives", write_mnist_archives(web, address))
        assert len(MNIST(tmp_path / "root", download=True)) == 30


def test_missing_files_say_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        MNIST(tmp_path, train=False)
    text = str(caught.value)
    assert text.startswith(f"neither t10k-images-idx3-ubyte nor t10k-images-idx3-ubyte.gz is in {tmp_path}/MNIST/raw")
    for part in ("download=True", "--data-root", "SCRATCHCONV_DATA", MNIST.archives[3].urls[0]):
        assert part in text


@pytest.mark.parametrize(
    ("labels", "message"),
    [(np.zeros(29, np.uint8), "30 train images, 29 labels up to 0"), (np.full(30, 10, np.uint8), "labels up to 10")],
)
def test_files_that_do_not_belong_together(tmp_path: Path, labels: np.ndarray, message: str) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / "train-images-idx3-ubyte").write_bytes(idx(mnist_parts()["train-images-idx3-ubyte"]))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    with pytest.raises(DataError, match=message):
        MNIST(tmp_path)


def test_the_real_mnist(real_data: Path) -> None:
    counts = {  # of the digits 0 to 9, as published
        True: [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        False: [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    }
    for train, histogram in counts.items():
        data = MNIST(real_data, train=train)
        reference = torchvision.datasets.MNIST(real_data, train=train)
        assert data.images.shape == ((60_000 if train else 10_000), 28, 28)
        assert np.bincount(data.labels).tolist() == histogram
        np.testing.assert_array_equal(data.images, reference.data.numpy())
        np.testing.assert_array_equal(data.labels, reference.targets.numpy())
    assert MNIST(real_data).labels[:5].tolist() == [5, 0, 4, 1, 9]

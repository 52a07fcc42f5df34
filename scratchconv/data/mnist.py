"""MNIST and Fashion-MNIST: 60,000 + 10,000 grey 28×28 images of ten classes, in four IDX files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from scratchconv.data.dataset import ArrayDataset
from scratchconv.data.download import Archive, fetch, unpack_gzip
from scratchconv.data.idx import read_idx
from scratchconv.data.storage import DataError, data_root, remedies
from scratchconv.data.transforms.base import BatchTransform, Transform

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def _archives(md5s: tuple[str, str, str, str], mirrors: tuple[str, ...]) -> tuple[Archive, ...]:
    return tuple(Archive(f"{name}.gz", md5, mirrors) for name, md5 in zip(NAMES, md5s, strict=True))


class MNIST(ArrayDataset):
    """Handwritten digits, 60,000 to train on and 10,000 to test with, 28×28 grey pixels.

    The files lie in ``ROOT/MNIST/raw``, unpacked or gzipped, where torchvision also looks for them. Source: Y. LeCun,
    L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 1998.

    Parameters
    ----------
    root : path, optional
        The data root, by default ``SCRATCHCONV_DATA`` or the user's cache folder (see ``data_root``).
    train : bool
        Whether to take the training part or the test part.
    transform : Transform or callable, optional
        Applied to batches as they are taken out.
    download : bool
        Whether to download and unpack what is missing.

    Raises
    ------
    DataError
        If files are missing, cannot be downloaded, or are damaged.
    """

    folder: ClassVar[str] = "MNIST/raw"
    class_names: ClassVar[tuple[str, ...]] = tuple("0123456789")
    archives: ClassVar[tuple[Archive, ...]] = _archives(
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    )

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Transform | BatchTransform | None = None,
        download: bool = False,
    ) -> None:
        self.train = train
        folder = data_root(root) / self.folder
        if download:
            self._complete(folder)
        part = "train" if train else "t10k"
        images = read_idx(self._find(folder, f"{part}-images-idx3-ubyte"), ndim=3)
        labels = read_idx(self._find(folder, f"{part}-labels-idx1-ubyte"), ndim=1)
        if len(images) != len(labels) or (labels >= len(self.class_names)).any():
            raise DataError(
                f"{folder} does not hold {self.folder}: {len(images)} {part} images, {len(labels)} labels "
                f"up to {labels.max(initial=0)}. Delete it and let it be downloaded again."
            )
        super().__init__(images, labels, self.class_names, transform)

    def _complete(self, folder: Path) -> None:
        """Fetch the archives that ``folder`` has in neither form, and unpack those it has, where it can be written."""
        for archive in self.archives:
            packed = folder / archive.name
            if packed.with_suffix("").exists():
                continue
            if not packed.exists():
                packed = fetch(archive, folder, self._by_hand())
            if os.access(folder, os.W_OK):
                unpack_gzip(packed)

    def _find(self, folder: Path, name: str) -> Path:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.exists():
                return path
        raise DataError(f"neither {name} nor {name}.gz is in {folder}" + remedies(folder, self._by_hand()))

    def _by_hand(self) -> list[str]:
        return [archive.urls[0] for archive in self.archives]


class FashionMNIST(MNIST):
    """Pictures of clothing in MNIST's format: 60,000 to train on and 10,000 to test with, 28×28 grey pixels.

    The files lie in ``ROOT/FashionMNIST/raw``; parameters and errors are MNIST's. Source: H. Xiao, K. Rasul,
    R. Vollgraf, arXiv:1708.07747.
    """

    folder: ClassVar[str] = "FashionMNIST/raw"
    class_names: ClassVar[tuple[str, ...]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    archives: ClassVar[tuple[Archive, ...]] = _archives(
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
    )

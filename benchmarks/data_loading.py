"""Batches of 100 images, ours beside torchvision's: ``OPENBLAS_NUM_THREADS=1 python -m benchmarks.data_loading``.

Both sides take shuffled batches out of equal arrays in memory and transform them in this process on one thread
(``num_workers=0``). Results are compared before anything is timed: pixels to the last bit, resized ones to one grey
level. The libraries take turns, so that a slow phase of the machine meets both.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader as TorchLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms as torchvision_transforms

from benchmarks import machine
from benchmarks.timing import Probe, Timing, rounds, time_call
from scratchconv.data import ArrayDataset, DataLoader, transforms

BATCH = 100
IMAGES = 10_000
LIBRARIES = ("scratchconv", "torchvision")
GREY, COLOUR = (28, 28), (32, 32, 3)
Steps = Callable[[Any], list[Any]]

# Name -> shape of the images and the steps, which both libraries call by the same names.
PIPELINES: dict[str, tuple[tuple[int, ...], Steps]] = {
    "MNIST, ToTensor": (GREY, lambda t: [t.ToTensor()]),
    "CIFAR-10, ToTensor": (COLOUR, lambda t: [t.ToTensor()]),
    "CIFAR-10, Normalize": (COLOUR, lambda t: [t.ToTensor(), t.Normalize([0.5] * 3, [0.2] * 3)]),
    "CIFAR-10, Resize": (COLOUR, lambda t: [t.Resize(40), t.ToTensor()]),
    "CIFAR-10, Resize, Flip, Crop": (
        COLOUR,
        lambda t: [t.Resize(40), t.RandomHorizontalFlip(), t.RandomCrop(32), t.ToTensor()],
    ),
}


class PillowImages(TorchDataset[tuple[torch.Tensor, int]]):
    """Arrays as a torchvision data set, which makes a Pillow image of each."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Any) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return one transformed image and its label."""
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def loaders(name: str, shuffle: bool) -> list[Any]:
    """Return our loader and PyTorch's over the same random images."""
    shape, steps = PIPELINES[name]
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (IMAGES, *shape), np.uint8), rng.integers(0, 10, IMAGES)
    ours = ArrayDataset(images, labels, transform=transforms.Compose(steps(transforms)))
    theirs = PillowImages(images, labels, torchvision_transforms.Compose(steps(torchvision_transforms)))
    return [DataLoader(ours, BATCH, shuffle=shuffle, seed=0), TorchLoader(theirs, BATCH, shuffle=shuffle)]


def endless(loader: Any) -> Iterator[Any]:
    """Yield batches, epoch after epoch."""
    return itertools.chain.from_iterable(itertools.repeat(loader))


def check(name: str) -> None:
    """Compare the first batch of both libraries; where it is random, only its form can be.

    Raises
    ------
    RuntimeError
        If they differ.
    """
    (ours, our_labels), (theirs, their_labels) = (next(iter(loader)) for loader in loaders(name, shuffle=False))
    difference = 0.0 if "Flip" in name else np.abs(ours.numpy() - theirs.numpy()).max()
    allowed = 1.01 / 255 if "Resize" in name else 0.0
    if (
        ours.shape != tuple(theirs.shape)
        or difference > allowed
        or our_labels.numpy().tolist() != their_labels.tolist()
    ):
        raise RuntimeError(f"{name}: the first batches differ by {difference}, {ours.shape} and {tuple(theirs.shape)}")


def measure(name: str, repeats: int, probe: Probe) -> Timing:
    """Time ``repeats`` batches of each library, after one that does not count."""
    check(name)
    batches = [functools.partial(next, endless(loader)) for loader in loaders(name, shuffle=True)]
    for batch in batches:
        batch()
    samplers = {library: functools.partial(time_call, b) for library, b in zip(LIBRARIES, batches, strict=True)}
    return rounds(samplers, repeats, probe)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=100)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    facts = machine.describe(torch=True)
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "all")
    table = Table(
        title=f"ms for a batch of {BATCH}; {facts['machine']['cpu']}, load {facts['load']}, BLAS threads {threads}"
    )
    table.add_column("pipeline")
    for column in ("scratchconv, fastest", "median", "torchvision, fastest", "median", "ratio, median", "least"):
        table.add_column(column, justify="right")
    probe = Probe()
    for name in PIPELINES:
        timing = measure(name, repeats, probe)
        times = [f"{1e3 * take(library):.2f}" for library in LIBRARIES for take in (timing.fastest, timing.median)]
        ratios = timing.ratios(LIBRARIES[0], LIBRARIES[1:])
        table.add_row(name, *times, f"{statistics.median(ratios):.1f}", f"{min(ratios):.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()

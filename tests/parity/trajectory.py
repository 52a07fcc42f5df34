"""Train a network of either library for some steps from equal weights on equal batches."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch

import scratchconv as sc
from torch_ref import convert
from torch_ref.models import build
from torch_ref.parity.case import Array

STEPS = 10
SHAPES = {"cnn": (16, 1, 28, 28), "resnet": (8, 3, 32, 32)}

Batch = tuple[Array, Array]


class Step(NamedTuple):
    """The loss of one step and the gradients it produced, by parameter name."""

    loss: float
    gradients: dict[str, Array]


class Trajectory(NamedTuple):
    """All steps, and the weights and buffers after the last."""

    steps: list[Step]
    state: dict[str, Array]

    @property
    def losses(self) -> list[float]:
        return [step.loss for step in self.steps]


def batches(name: str, seed: int, steps: int = STEPS) -> list[Batch]:
    """Images in [0, 1] in which smooth blobs stand on an exactly black border, as digits do, and random labels.

    The border makes exact ties in pooling windows; the labels depend on the image, so that there is something to learn.
    """
    rng = np.random.default_rng(seed)
    n, c, h, w = SHAPES[name]
    rows, columns = np.mgrid[:h, :w]
    result = []
    for _ in range(steps):
        labels = rng.integers(0, 10, n)
        centre = (h / 2 + (labels % 3 - 1) * 5)[:, None, None], (w / 2 + (labels // 4 - 1) * 5)[:, None, None]
        distance = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
        images = np.exp(-distance / 30)[:, None] * rng.uniform(0.7, 1.0, (n, c, h, w))
        images[:, :, :3], images[:, :, -3:], images[..., :3], images[..., -3:] = 0, 0, 0, 0
        result.append((images.astype(np.float32), labels))
    return result


def model_of(lib: ModuleType, name: str, seed: int, dtype: type) -> Any:
    """The network of either library with the weights that PyTorch draws for ``seed``."""
    reference = build(name, seed).to(torch.float64 if dtype is np.float64 else torch.float32)
    if lib is torch:
        return reference
    ours = {"cnn": sc.models.CNN, "resnet": sc.models.ResNet}[name]().to(dtype)
    convert.to_scratchconv(reference, ours)
    return ours


def train(
    lib: ModuleType,
    name: str,
    data: Sequence[Batch],
    *,
    dtype: type = np.float32,
    seed: int = 0,
    channels_last: bool = False,
) -> Trajectory:
    """One Adam step on each batch, as the training command does it; ``channels_last`` is a choice of PyTorch's."""
    model = model_of(lib, name, seed, dtype)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = lib.optim.Adam(model.parameters(), lr=1e-3)
    steps = []
    for images, labels in data:
        loss = lib.nn.functional.cross_entropy(
            model(lib.from_numpy(images.astype(dtype))), lib.from_numpy(np.array(labels))
        )
        optimizer.zero_grad()
        loss.backward()
        gradients = {key: np.array(p.grad.numpy()) for key, p in model.named_parameters()}
        steps.append(Step(loss.item(), gradients))
        optimizer.step()
    read = convert.torch_state if isinstance(model, torch.nn.Module) else convert.scratchconv_state
    return Trajectory(steps, read(model))

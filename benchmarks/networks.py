"""A training step or an inference of the article's networks, by each library in each of its modes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import scratchconv as sc
from torch_ref import convert, models

SHAPES = {"cnn": (1, 28, 28), "resnet": (3, 32, 32)}
MODELS = {"cnn": "CNN", "resnet": "ResNet"}
COMPARED = 3  # training steps whose losses are compared: the second and third depend on backward and on Adam

EAGER, EXACT, FAST = "scratchconv eager", "scratchconv compiled, exact", "scratchconv compiled, fast"
TORCH_EAGER = ("PyTorch NCHW", "PyTorch channels_last")
TORCH_COMPILED = ("PyTorch compiled, NCHW", "PyTorch compiled, channels_last")
TORCH = TORCH_EAGER + TORCH_COMPILED

# Largest error that is timed, exact and fast. Training: loss against the same steps in float64; three steps of float32
# with Adam, which turns a gradient's rounding into a step of full size where the gradient is next to zero, stay within
# 1e-3. Inference: relative rms error of the logits; a dozen layers of float32 stay within 1e-5.
TOLERANCES = {"training": (1e-3, 1e-2), "inference": (1e-5, 1e-3)}

Step = Callable[[], Any]


@dataclass(frozen=True)
class Work:
    """What is done with which network on how many images."""

    model: str
    what: str  # "training" or "inference"
    batch: int

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Random images (N, C, H, W) and labels."""
        rng = np.random.default_rng(0)
        return rng.random((self.batch, *SHAPES[self.model]), np.float32), rng.integers(0, 10, self.batch)

    def weights(self) -> dict[str, np.ndarray]:
        """The network's weights at random; running statistics that a trained network could have."""
        rng = np.random.default_rng(0)
        state = convert.torch_state(models.build(self.model, seed=0))
        for name, value in state.items():
            if name.endswith("running_mean"):
                value[...] = 0.1 * rng.standard_normal(value.shape)
            if name.endswith("running_var"):
                value[...] = rng.uniform(0.5, 2, value.shape)
        return state


def contenders(*, fast: bool = True) -> list[str]:
    """Every mode that the installed libraries have."""
    ours = [EAGER]
    if hasattr(sc, "compile"):
        ours.append(EXACT)
        if fast and hasattr(sc.backends.conv, "precision"):
            ours.append(FAST)
    return [*ours, *TORCH]


def build(work: Work, contender: str) -> Step:
    """Return a call that does the work once: it returns the loss before the step, or the logits."""
    return (_torch if contender in TORCH else _ours)(work, contender)


def _ours(work: Work, contender: str) -> Step:
    model: Any = getattr(sc.models, MODELS[work.model])()
    convert.load_scratchconv(model, work.weights())
    images, labels = work.data()
    channels_last = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    x, t = sc.from_numpy(channels_last), sc.from_numpy(labels)
    run = model if contender == EAGER else sc.compile(model)
    precision = "fast" if contender == FAST else "exact"

    def train() -> float:
        loss = sc.nn.functional.cross_entropy(run(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    def infer() -> np.ndarray:
        with sc.no_grad():
            return np.asarray(run(x).numpy())

    if work.what == "inference":
        model.eval()
        return _with_precision(precision, infer)
    optimizer = sc.optim.Adam(model.parameters(), lr=1e-3)
    return _with_precision(precision, train)


def _with_precision(precision: str, step: Step) -> Step:
    """Run ``step`` under one setting of the switch; contenders with different settings share a process."""
    switches: Any = sc.backends.conv
    if not hasattr(switches, "precision"):
        return step

    def run() -> Any:
        switches.precision = precision
        try:
            return step()
        finally:
            switches.precision = "exact"

    return run


def _torch(work: Work, contender: str, dtype: torch.dtype = torch.float32) -> Step:
    layout = torch.channels_last if "channels_last" in contender else torch.contiguous_format
    model = models.build(work.model)
    convert.load_torch(model, work.weights())
    model.to(dtype).to(memory_format=layout)
    images, labels = work.data()
    x, t = torch.from_numpy(images).to(dtype).contiguous(memory_format=layout), torch.from_numpy(labels)
    run: Any = torch.compile(model, dynamic=False) if contender in TORCH_COMPILED else model

    def train() -> float:
        loss: Any = torch.nn.functional.cross_entropy(run(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    def infer() -> np.ndarray:
        with torch.no_grad():
            return np.asarray(run(x).numpy())

    if work.what == "inference":
        model.eval()
        return infer
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    return train


def first_values(work: Work, step: Step) -> list[float]:
    """What is compared: the losses of the first steps, or the logits."""
    if work.what == "training":
        return [float(step()) for _ in range(COMPARED)]
    return [float(value) for value in np.ravel(step())]


@functools.cache
def truth(work: Work) -> list[float]:
    """The same by PyTorch in float64."""
    return first_values(work, _torch(work, TORCH[0], torch.float64))


def check(work: Work, contender: str, values: list[float]) -> float:
    """Return the error of a contender's first values.

    Raises
    ------
    RuntimeError
        If it is beyond the tolerance: what computes something else has no time.
    """
    right, mine = np.array(truth(work)), np.array(values)
    error = np.abs(mine - right).max() if work.what == "training" else rms(mine - right) / rms(right)
    allowed = TOLERANCES[work.what][contender == FAST]
    if not error <= allowed:
        raise RuntimeError(f"{work}: the error of {contender} is {error:.1e}, above {allowed:.0e}; nothing was timed")
    return float(error)


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))

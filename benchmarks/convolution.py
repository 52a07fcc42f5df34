"""One convolution as a job: its data, its direct cost, the float64 truth, and both libraries' ways to compute it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from scratchconv.ops import conv2d
from scratchconv.ops._convolution import Geometry, choose, choose_weight_grad
from scratchconv.ops._memory import empty

DIRECTIONS = ("forward", "input gradient", "weight gradient")
LAYOUTS = {"PyTorch NCHW": torch.contiguous_format, "PyTorch channels_last": torch.channels_last}

# Largest relative rms error against float64 that is timed. A wrong index or a lost tap gives 1e-2 or more; float32
# sums of up to a million products stay under 5e-6, whoever adds them up.
TOLERANCE = 1e-5

Call = Callable[[], Any]


@dataclass(frozen=True)
class Shape:
    """A convolution of square images and kernels."""

    name: str
    batch: int
    side: int
    channels: int
    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1

    @property
    def out(self) -> int:
        """Side of the result."""
        return (self.side + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) // self.stride + 1

    @property
    def flop(self) -> int:
        """Operations of the formula, the same for each direction; padding counts as work."""
        per_result = 2 * self.kernel**2 * self.channels // self.groups
        return self.batch * self.out**2 * self.filters * per_result

    @property
    def bytes(self) -> int:
        """Bytes of x, w and y in float32: what any algorithm must move at least."""
        weights = self.filters * self.channels // self.groups * self.kernel**2
        return 4 * (self.batch * (self.side**2 * self.channels + self.out**2 * self.filters) + weights)

    @property
    def geometry(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], int]:
        """Stride, padding, dilation and groups as the kernels take them."""
        return (self.stride,) * 2, (self.padding,) * 2, (self.dilation,) * 2, self.groups


class Job:
    """A convolution with random data, NHWC for us and in both layouts for PyTorch."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        rng = np.random.default_rng(0)
        s = shape
        self.x = normal(rng, (s.batch, s.side, s.side, s.channels))
        self.w = normal(rng, (s.kernel, s.kernel, s.channels // s.groups, s.filters))
        self.dy = normal(rng, (s.batch, s.out, s.out, s.filters))
        self.meant = (self.x.transpose(0, 3, 1, 2), self.w.transpose(3, 2, 0, 1), self.dy.transpose(0, 3, 1, 2))

    def truth(self, direction: str) -> np.ndarray:
        """The result in float64, by PyTorch, with the meaning (N, C, H, W) or (F, C, KH, KW)."""
        x, w, dy = (torch.from_numpy(np.ascontiguousarray(a)).double() for a in self.meant)
        return np.asarray(_torch_call(self.shape, direction, x, w, dy)().numpy())

    def automatic(self, direction: str) -> Call:
        """Our own choice of algorithm, through ``scratchconv.ops.conv2d``: checks, allocation and packing included."""
        s = self.shape
        x, w, dy = self.meant
        sizes = {"stride": s.stride, "padding": s.padding, "dilation": s.dilation, "groups": s.groups}
        if direction == "forward":
            return lambda: conv2d.forward(x, w, None, **sizes)[0]
        _, saved = conv2d.forward(x, w, None, **sizes)
        needs = (direction == "input gradient", direction == "weight gradient", False)
        return lambda: next(gradient for gradient in conv2d.backward(saved, dy, needs) if gradient is not None)

    def chosen(self, direction: str) -> str:
        """Name the algorithm of :meth:`automatic`."""
        results = self.x if direction == "input gradient" else self.dy
        decide = choose_weight_grad if direction == "weight gradient" else choose
        module = decide(self.w.shape, Geometry(*self.shape.geometry), results)
        return str(module.__name__.rpartition(".")[2])

    def algorithm(self, module: Any, direction: str) -> Call:
        """One algorithm of ours, called directly, into an array that is there; packing of weights included."""
        geometry, bias = self.shape.geometry, np.zeros(self.shape.filters, np.float32)
        if direction == "forward":
            y = empty(self.dy.shape, np.float32)
            return lambda: (module.forward(self.x, self.w, bias, *geometry, y), y.transpose(0, 3, 1, 2))[1]
        if direction == "input gradient":
            dx = empty(self.x.shape, np.float32)
            return lambda: (module.input_grad(self.dy, self.w, *geometry, dx), dx.transpose(0, 3, 1, 2))[1]
        dw = empty(self.w.shape, np.float32)
        return lambda: (module.weight_grad(self.x, self.dy, *geometry, dw), dw.transpose(3, 2, 0, 1))[1]

    def torch(self, direction: str) -> dict[str, Call]:
        """PyTorch in both memory formats; all arrays are in that format."""
        calls = {}
        for name, layout in LAYOUTS.items():
            x, w, dy = (torch.from_numpy(np.ascontiguousarray(a)).contiguous(memory_format=layout) for a in self.meant)
            calls[name] = _torch_call(self.shape, direction, x, w, dy)
        return calls


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers, aligned as the library aligns its own arrays."""
    array = empty(shape, np.float32)
    array[...] = rng.standard_normal(shape, np.float32)
    return array


def _torch_call(shape: Shape, direction: str, x: torch.Tensor, w: torch.Tensor, dy: torch.Tensor) -> Call:
    stride, padding, dilation, groups = shape.geometry
    rest = (stride, padding, dilation, False, (0, 0), groups)
    if direction == "forward":
        return lambda: torch.ops.aten.convolution(x, w, None, *rest)
    mask = [direction == "input gradient", direction == "weight gradient", False]
    pick = mask.index(True)
    return lambda: torch.ops.aten.convolution_backward(dy, x, w, None, *rest, mask)[pick]


def rms_error(value: Any, truth: np.ndarray) -> float:
    """Root mean square of the error, relative to that of the truth; NaN counts as infinite."""
    difference = np.asarray(value, np.float64) - truth
    scale = math.sqrt(float(np.mean(np.square(truth)))) or 1.0
    error = math.sqrt(float(np.mean(np.square(difference)))) / scale
    return math.inf if math.isnan(error) else error


def checked(what: str, call: Call, truth: np.ndarray, tolerance: float = TOLERANCE) -> float:
    """Return the error of a call's result.

    Raises
    ------
    RuntimeError
        If it is beyond ``tolerance``: a wrong result has no time.
    """
    value = call()
    if tuple(value.shape) != truth.shape:
        raise RuntimeError(f"{what}: result of shape {tuple(value.shape)} instead of {truth.shape}")
    error = rms_error(value, truth)
    if not error <= tolerance:
        raise RuntimeError(f"{what}: relative rms error {error:.1e} is above {tolerance:.0e}; nothing was timed")
    return error


def build(shape: Shape, direction: str, contender: str) -> tuple[Call, list[float]]:
    """Return the checked call of one contender ("scratchconv" or PyTorch's), and its error as a list."""
    job = Job(shape)
    call = job.automatic(direction) if contender == "scratchconv" else job.torch(direction)[contender]
    return call, [checked(f"{shape.name}, {direction}, {contender}", call, job.truth(direction))]

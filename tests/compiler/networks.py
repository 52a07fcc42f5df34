"""Networks drawn from the patterns' grammar, and some that match nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import scratchconv as sc
from scratchconv import nn

POOLS = {
    "none": lambda: nn.Sequential(),
    "max2": lambda: nn.MaxPool2d(2),
    "max3": lambda: nn.MaxPool2d(3, stride=2, padding=1),
    "max2ceil": lambda: nn.MaxPool2d(2, ceil_mode=True),
    "avg2": lambda: nn.AvgPool2d(2),
}


class Stage(NamedTuple):
    """A convolution and what follows it."""

    filters: int
    kernel: int
    stride: int
    groups: int
    bias: bool
    norm: bool
    relu: str  # "no", "new", "in place"
    pool: str


class Block(NamedTuple):
    """Two convolutions with a shortcut."""

    filters: int
    stride: int
    projected: bool
    in_place: bool


class StageModule(nn.Sequential):
    """A stage as layers."""

    def __init__(self, channels: int, stage: Stage) -> None:
        f, k, stride, groups, bias, norm, relu, pool = stage
        layers: list[nn.Module] = [nn.Conv2d(channels, f, k, stride, k // 2, groups=groups, bias=bias)]
        layers += [scattered(f)] if norm else []
        layers += [nn.ReLU(inplace=relu == "in place")] if relu != "no" else []
        super().__init__(*layers, POOLS[pool]())


class BlockModule(nn.Module):
    """relu(bn(conv(relu(bn(conv(x))))) + shortcut(x))."""

    def __init__(self, channels: int, block: Block) -> None:
        super().__init__()
        f, stride, projected, self.in_place = block
        self.first = nn.Sequential(nn.Conv2d(channels, f, 3, stride, 1, bias=False), scattered(f), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(f, f, 3, 1, 1, bias=False), scattered(f))
        change = projected or channels != f or stride != 1
        self.shortcut = nn.Sequential(nn.Conv2d(channels, f, 1, stride), scattered(f)) if change else None

    def forward(self, x: sc.Tensor) -> sc.Tensor:
        y = self.second(self.first(x))
        skip = x if self.shortcut is None else self.shortcut(x)
        if self.in_place:
            y += skip
        else:
            y = skip + y
        return y.relu()


class Network(nn.Module):
    """Stages and blocks, then the mean of each channel, or all pixels, into a linear layer."""

    def __init__(self, channels: int, parts: list[Stage | Block], head: str, size: tuple[int, int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        shape = (2, channels, *size)
        for part in parts:
            layers.append((StageModule if isinstance(part, Stage) else BlockModule)(channels, part))  # type: ignore
            channels = part.filters
        self.body, self.head = nn.Sequential(*layers).double(), head
        with sc.no_grad():
            shape = self.body(sc.zeros(*shape, dtype=sc.float64)).shape
        self.fc = nn.Linear(shape[1] if head == "mean" else int(np.prod(shape[1:])), 3, dtype=sc.float64)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.reset_running_stats()

    def forward(self, x: sc.Tensor) -> Any:
        y = self.body(x)
        if self.head == "none":
            return y
        y = y.mean((2, 3)) if self.head == "mean" else y.view(y.size(0), -1)
        return self.fc(y)


def scattered(channels: int) -> nn.BatchNorm2d:
    """A BatchNorm with scales of both signs, and shifts."""
    layer = nn.BatchNorm2d(channels)
    with sc.no_grad():
        layer.weight.data[:] = np.linspace(-1.3, 0.9, channels) if channels > 1 else -0.7
        layer.bias.data[:] = np.linspace(0.5, -0.4, channels)
    return layer


class Case(NamedTuple):
    """A network and the shape of its input."""

    network: Network
    shape: tuple[int, int, int, int]


@st.composite
def cases(draw: Any) -> Case:
    """Draw a network, its input's size, and its parameters' seed."""
    channels, filters = draw(st.integers(1, 4)), st.integers(1, 20)
    parts: list[Stage | Block] = []
    now = channels
    for _ in range(draw(st.integers(1, 3))):
        f = draw(filters)
        if draw(st.booleans()):
            parts.append(
                Block(
                    draw(st.sampled_from([now, f])), draw(st.integers(1, 2)), draw(st.booleans()), draw(st.booleans())
                )
            )
        else:
            groups = draw(st.sampled_from([1, 1, 1, now]))
            options = draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from(["no", "new", "in place"]))
            pool = draw(st.sampled_from(list(POOLS)))
            parts.append(
                Stage(f * groups, draw(st.sampled_from([1, 2, 3, 5])), draw(st.integers(1, 2)), groups, *options, pool)
            )
        now = parts[-1].filters
    # Sizes that leave something to pool after three parts that each may divide them by four.
    size = draw(st.integers(64, 69)), draw(st.integers(64, 67))
    sc.manual_seed(draw(st.integers(0, 99)))
    network = Network(channels, parts, draw(st.sampled_from(["mean", "all", "none"])), size)
    return Case(network, (draw(st.integers(1, 3)), channels, *size))

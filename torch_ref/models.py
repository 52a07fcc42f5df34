"""The article's two networks in PyTorch, with the parameter names that ``scratchconv.models`` also uses.

Both read images of shape (N, C, H, W) and return unnormalised class scores of shape (N, num_classes).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def _conv_stage(in_channels: int, out_channels: int) -> nn.Sequential:
    """Chain a 5×5 convolution that keeps the size, batch norm, ReLU, and a 2×2 max-pool that halves it."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=5, padding=2),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


class CNN(nn.Module):
    """Two convolution stages and a linear layer: (N, 1, 28, 28) -> (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _conv_stage(1, 16)
        self.conv2 = _conv_stage(16, 32)
        self.fc = nn.Linear(32 * 7 * 7, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28) -> (N, 10)."""
        features: Tensor = self.conv2(self.conv1(x))
        scores: Tensor = self.fc(features.flatten(1))
        return scores


def _conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)


class ResidualBlock(nn.Module):
    """``relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))``.

    The shortcut is ``downsample`` if one is given and the identity otherwise.
    Source: He et al., arXiv:1512.03385, figure 2.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = _conv3x3(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv3x3(out_channels, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, F, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += shortcut
        result: Tensor = self.relu(y)
        return result


class ResNet(nn.Module):
    """The article's ResNet for CIFAR-10: (N, 3, 32, 32) -> (N, num_classes).

    Three stages of 16, 32 and 64 channels with ``layers[0]``, ``layers[0]`` and ``layers[1]`` blocks (the article
    reads no further entry); the shortcut into a new stage is a 3×3 stride-2 convolution and a batch norm.
    """

    def __init__(
        self, block: type[ResidualBlock] = ResidualBlock, layers: Sequence[int] = (2, 2, 2, 2), num_classes: int = 10
    ) -> None:
        super().__init__()
        self.conv = _conv3x3(3, 16)
        self.bn = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _residual_stage(block, 16, 16, layers[0], stride=1)
        self.layer2 = _residual_stage(block, 16, 32, layers[0], stride=2)
        self.layer3 = _residual_stage(block, 32, 64, layers[1], stride=2)
        self.avg_pool = nn.AvgPool2d(8)
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) -> (N, num_classes)."""
        y = self.relu(self.bn(self.conv(x)))
        y = self.layer3(self.layer2(self.layer1(y)))
        scores: Tensor = self.fc(self.avg_pool(y).flatten(1))
        return scores


def _residual_stage(
    block: type[ResidualBlock], in_channels: int, out_channels: int, blocks: int, stride: int
) -> nn.Sequential:
    """``blocks`` residual blocks; the first one changes channels and size if they change at all."""
    downsample = None
    if stride != 1 or in_channels != out_channels:
        downsample = nn.Sequential(_conv3x3(in_channels, out_channels, stride), nn.BatchNorm2d(out_channels))
    first = block(in_channels, out_channels, stride, downsample)
    return nn.Sequential(first, *(block(out_channels, out_channels) for _ in range(blocks - 1)))


MODELS: dict[str, type[nn.Module]] = {"cnn": CNN, "resnet": ResNet}


def build(name: str, seed: int = 0) -> nn.Module:
    """Make the model called ``name`` ("cnn" or "resnet"), with PyTorch's default initialisation under ``seed``."""
    torch.manual_seed(seed)
    return MODELS[name]()

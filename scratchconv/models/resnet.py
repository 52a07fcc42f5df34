"""The article's residual network for 32×32 colour images (He et al., arXiv:1512.03385, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scratchconv import nn
from scratchconv.autograd import Tensor


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3×3 convolution that divides height and width by ``stride``; it has no bias, BatchNorm follows."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)


class ResidualBlock(nn.Module):
    """relu(F(x) + x), F: convolution, BatchNorm, ReLU, convolution, BatchNorm.

    ``downsample`` brings x to the shape of F(x) where ``stride`` or the channels change.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, out_channels, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(out_channels, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H/stride, W/stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        result: Tensor = self.relu(out)
        return result


class ResNet(nn.Module):
    """A 3×3 convolution, three stages of residual blocks (16, 32, 64 channels), mean over 8×8, a linear layer.

    (N, in_channels, 32, 32) → (N, 16, 32, 32) → (N, 32, 16, 16) → (N, 64, 8, 8) → (N, 64) → (N, num_classes).

    Parameters
    ----------
    block
        ``block(in_channels, out_channels, stride, downsample)`` makes one residual block.
    layers
        Blocks per stage, read as the article does: ``layers[0]`` for the first and the second stage, ``layers[1]``
        for the third; further entries are not used.
    num_classes, in_channels
        Size of the output, channels of the image.
    """

    def __init__(
        self,
        block: Callable[..., nn.Module] = ResidualBlock,
        layers: Sequence[int] = (2, 2, 2, 2),
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.conv = conv3x3(in_channels, 16)
        self.bn = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(block, 16, 16, layers[0], stride=1)
        self.layer2 = _stage(block, 16, 32, layers[0], stride=2)
        self.layer3 = _stage(block, 32, 64, layers[1], stride=2)
        self.avg_pool = nn.AvgPool2d(8)
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores (logits) of a batch of images."""
        out = self.relu(self.bn(self.conv(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        out = self.avg_pool(out)
        logits: Tensor = self.fc(out.view(out.size(0), -1))
        return logits


def _stage(
    block: Callable[..., nn.Module], in_channels: int, out_channels: int, blocks: int, stride: int
) -> nn.Sequential:
    """Return ``blocks`` blocks, the first of which changes the size and the channels."""
    downsample = None
    if stride != 1 or in_channels != out_channels:
        downsample = nn.Sequential(conv3x3(in_channels, out_channels, stride), nn.BatchNorm2d(out_channels))
    first = block(in_channels, out_channels, stride, downsample)
    return nn.Sequential(first, *(block(out_channels, out_channels) for _ in range(1, blocks)))

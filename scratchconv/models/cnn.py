"""The article's convolutional network for 28×28 digits."""

from __future__ import annotations

from scratchconv import nn
from scratchconv.autograd import Tensor


class CNN(nn.Module):
    """Two stages of convolution 5×5, BatchNorm, ReLU and max pooling, then one fully connected layer.

    (N, in_channels, 28, 28) → (N, 16, 14, 14) → (N, 32, 7, 7) → (N, num_classes).
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.conv1 = _stage(in_channels, 16)
        self.conv2 = _stage(16, 32)
        self.fc = nn.Linear(7 * 7 * 32, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores (logits) of a batch of images."""
        out = self.conv1(x)
        out = self.conv2(out)
        out = out.view(out.size(0), -1)
        logits: Tensor = self.fc(out)
        return logits


def _stage(in_channels: int, out_channels: int) -> nn.Sequential:
    """Convolve at full size, normalise, rectify, halve height and width."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=5, padding=2),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )

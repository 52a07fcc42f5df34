"""The article's two networks."""

from scratchconv.models.cnn import CNN
from scratchconv.models.resnet import ResidualBlock, ResNet

__all__ = ["CNN", "ResNet", "ResidualBlock"]

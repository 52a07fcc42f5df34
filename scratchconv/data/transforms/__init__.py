"""Transforms of whole batches of images, under torchvision's names."""

from __future__ import annotations

from scratchconv.data.transforms.augment import RandomCrop, RandomHorizontalFlip
from scratchconv.data.transforms.base import Compose, Transform
from scratchconv.data.transforms.convert import Normalize, ToTensor
from scratchconv.data.transforms.resize import Resize

__all__ = ["Compose", "Normalize", "RandomCrop", "RandomHorizontalFlip", "Resize", "ToTensor", "Transform"]

"""Layers and the base class that models are made of, under PyTorch's names."""

from scratchconv.nn import functional, init
from scratchconv.nn._activation import ReLU
from scratchconv.nn._batch_norm import BatchNorm2d
from scratchconv.nn._containers import ModuleList, Sequential
from scratchconv.nn._conv import Conv2d
from scratchconv.nn._linear import Linear
from scratchconv.nn._loss import CrossEntropyLoss
from scratchconv.nn._module import Module
from scratchconv.nn._parameter import Parameter
from scratchconv.nn._pool import AvgPool2d, MaxPool2d
from scratchconv.nn._shape import Flatten, Identity

__all__ = [
    "AvgPool2d",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Flatten",
    "Identity",
    "Linear",
    "MaxPool2d",
    "Module",
    "ModuleList",
    "Parameter",
    "ReLU",
    "Sequential",
    "functional",
    "init",
]

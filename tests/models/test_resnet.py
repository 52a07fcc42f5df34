from __future__ import annotations

import numpy as np
import pytest

from scratchconv import nn
from scratchconv.autograd import Tensor
from scratchconv.models import ResidualBlock, ResNet
from tests.nn.twins import assert_layer_equals
from torch_ref import models as reference


def articles_parameters() -> dict[str, tuple[int, ...]]:
    """Names and shapes as the article's code makes them, written out independently of both implementations."""

    def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}

    shapes: dict[str, tuple[int, ...]] = {"conv.weight": (16, 3, 3, 3), **norm("bn", 16)}
    inputs = 16
    for stage, outputs in (("layer1", 16), ("layer2", 32), ("layer3", 64)):
        for block in (f"{stage}.0", f"{stage}.1"):
            shapes |= {f"{block}.conv1.weight": (outputs, inputs, 3, 3), **norm(f"{block}.bn1", outputs)}
            shapes |= {f"{block}.conv2.weight": (outputs, outputs, 3, 3), **norm(f"{block}.bn2", outputs)}
            if inputs != outputs:
                shapes |= {f"{block}.downsample.0.weight": (outputs, inputs, 3, 3)}
                shapes |= norm(f"{block}.downsample.1", outputs)
            inputs = outputs
    return shapes | {"fc.weight": (10, 64), "fc.bias": (10,)}


def test_parameters_are_the_articles() -> None:
    model = ResNet()
    assert {name: p.shape for name, p in model.named_parameters()} == articles_parameters()
    assert [name for name, _ in model.named_parameters()] == list(articles_parameters())


def test_article_call_is_the_default() -> None:
    assert repr(ResNet(ResidualBlock, [2, 2, 2, 2])) == repr(ResNet())


@pytest.mark.parametrize("training", [True, False])
def test_equals_torch(training: bool) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 32, 32))
    assert_layer_equals(ResNet().train(training), reference.ResNet().train(training), x)


def test_layers_are_read_as_in_the_article() -> None:
    model = ResNet(layers=[3, 1, 7])
    assert [len(model.layer1), len(model.layer2), len(model.layer3)] == [3, 3, 1]


def test_other_sizes_and_blocks() -> None:
    class Plain(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int = 1, downsample: nn.Module | None = None) -> None:
            super().__init__()
            self.conv = nn.Conv2d(inputs, outputs, 1, stride)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x)

    model = ResNet(Plain, [1, 1], num_classes=4, in_channels=1).eval()
    assert model(Tensor(np.zeros((2, 1, 32, 32), np.float32))).shape == (2, 4)

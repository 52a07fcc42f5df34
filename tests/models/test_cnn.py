from __future__ import annotations

import numpy as np

from scratchconv.autograd import Tensor
from scratchconv.models import CNN
from tests.nn.twins import assert_layer_equals
from torch_ref import models as reference


def test_parameters_are_the_articles() -> None:
    assert {name: p.shape for name, p in CNN().named_parameters()} == {
        "conv1.0.weight": (16, 1, 5, 5),
        "conv1.0.bias": (16,),
        "conv1.1.weight": (16,),
        "conv1.1.bias": (16,),
        "conv2.0.weight": (32, 16, 5, 5),
        "conv2.0.bias": (32,),
        "conv2.1.weight": (32,),
        "conv2.1.bias": (32,),
        "fc.weight": (10, 1568),
        "fc.bias": (10,),
    }


def test_equals_torch() -> None:
    x = np.random.default_rng(0).standard_normal((3, 1, 28, 28))
    assert_layer_equals(CNN(), reference.CNN(), x)
    assert_layer_equals(CNN().eval(), reference.CNN().eval(), x)


def test_other_sizes() -> None:
    model = CNN(num_classes=3, in_channels=2).eval()
    assert model(Tensor(np.zeros((1, 2, 28, 28), np.float32))).shape == (1, 3)

"""The reference networks are the article's."""

from __future__ import annotations

import torch

from torch_ref.models import CNN, ResNet, build


def shapes(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def test_cnn_has_the_articles_parameters() -> None:
    assert shapes(CNN()) == {
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


def test_resnet_has_the_articles_parameters() -> None:
    found = shapes(ResNet())
    assert found["conv.weight"] == (16, 3, 3, 3)
    assert found["layer2.0.conv1.weight"] == (32, 16, 3, 3)
    assert found["layer2.0.downsample.0.weight"] == (32, 16, 3, 3)
    assert found["layer3.0.downsample.1.bias"] == (64,)
    assert found["layer3.1.conv2.weight"] == (64, 64, 3, 3)
    assert found["fc.bias"] == (10,)
    assert "layer1.0.downsample.0.weight" not in found  # 16 channels come in and go out
    assert not [name for name in found if "conv" in name and name.endswith("bias")]
    # Counted by hand: stem 432+32; stage 1 four convolutions and norms 4*(2304+32);
    # stage 2 4608+64 + 3*(9216+64) + shortcut 4608+64; stage 3 18432+128 + 3*(36864+128) + 18432+128; head 650.
    by_hand = 464 + 4 * 2336 + 4672 + 3 * 9280 + 4672 + 18560 + 3 * 36992 + 18560 + 650
    assert sum(parameter.numel() for parameter in ResNet().parameters()) == by_hand


def test_resnet_stages_read_layers_0_0_1() -> None:
    model = ResNet(layers=(1, 7, 3, 9))
    assert [len(stage) for stage in (model.layer1, model.layer2, model.layer3)] == [1, 1, 7]


def test_forward_shapes() -> None:
    assert CNN()(torch.zeros(3, 1, 28, 28)).shape == (3, 10)
    assert ResNet(num_classes=7)(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_residual_block_adds_its_shortcut() -> None:
    block = ResNet().layer1[0].eval()
    torch.nn.init.zeros_(block.conv2.weight)  # the residual branch is then 0 and the block relu(x)
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(x.clone()), x.relu(), rtol=0, atol=0)


def test_build_is_reproducible_and_seeded() -> None:
    first, again, other = (build("cnn", seed).fc.weight for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)

"""The convolutions of the sweep: layers of known networks, and sizes that are awkward on purpose."""

from __future__ import annotations

from benchmarks.convolution import Shape


def same(name: str, batch: int, side: int, channels: int, filters: int, kernel: int, **rest: int) -> Shape:
    """A convolution whose padding keeps the size (divided by the stride)."""
    padding = rest.get("dilation", 1) * (kernel - 1) // 2
    return Shape(name, batch, side, channels, filters, kernel, padding=padding, **rest)


def depthwise(name: str, batch: int, side: int, channels: int, kernel: int, stride: int = 1) -> Shape:
    """A filter for each channel."""
    return same(name, batch, side, channels, channels, kernel, stride=stride, groups=channels)


RESNET50 = (
    same("7×7/2 3→64 @224", 2, 224, 3, 64, 7, stride=2),
    same("1×1 64→64 @56", 8, 56, 64, 64, 1),
    same("1×1 64→256 @56", 4, 56, 64, 256, 1),
    same("1×1 256→64 @56", 4, 56, 256, 64, 1),
    same("1×1 256→128 @56", 4, 56, 256, 128, 1),
    same("1×1 512→128 @28", 8, 28, 512, 128, 1),
    same("1×1 128→512 @28", 8, 28, 128, 512, 1),
    same("1×1 1024→256 @14", 8, 14, 1024, 256, 1),
    same("1×1 2048→512 @7", 8, 7, 2048, 512, 1),
    same("1×1 512→2048 @7, batch 1", 1, 7, 512, 2048, 1),
    same("1×1/2 256→512 @56", 4, 56, 256, 512, 1, stride=2),
    same("1×1/2 1024→2048 @14", 4, 14, 1024, 2048, 1, stride=2),
    same("3×3 64→64 @56", 4, 56, 64, 64, 3),
    same("3×3 128→128 @28", 4, 28, 128, 128, 3),
    same("3×3 128→128 @28, batch 1", 1, 28, 128, 128, 3),
    same("3×3 256→256 @14", 4, 14, 256, 256, 3),
    same("3×3 512→512 @7", 4, 7, 512, 512, 3),
    same("3×3 512→512 @7, batch 1", 1, 7, 512, 512, 3),
    same("3×3/2 128→128 @56", 4, 56, 128, 128, 3, stride=2),
    same("3×3/2 256→256 @28", 4, 28, 256, 256, 3, stride=2),
    same("3×3/2 512→512 @14", 4, 14, 512, 512, 3, stride=2),
)
VGG = (
    same("3×3 3→64 @224, batch 1", 1, 224, 3, 64, 3),
    same("3×3 64→64 @112", 2, 112, 64, 64, 3),
    same("3×3 64→128 @112, batch 1", 1, 112, 64, 128, 3),
    same("3×3 128→256 @56, batch 1", 1, 56, 128, 256, 3),
    same("3×3 256→512 @28, batch 1", 1, 28, 256, 512, 3),
    same("3×3 512→512 @14", 2, 14, 512, 512, 3),
)
MOBILENET = (
    same("3×3/2 3→32 @224", 4, 224, 3, 32, 3, stride=2),
    depthwise("depthwise 3×3 32 @112", 8, 112, 32, 3),
    depthwise("depthwise 3×3/2 64 @112", 8, 112, 64, 3, stride=2),
    depthwise("depthwise 3×3 128 @56", 8, 56, 128, 3),
    depthwise("depthwise 3×3/2 256 @28", 8, 28, 256, 3, stride=2),
    depthwise("depthwise 3×3 512 @14", 8, 14, 512, 3),
    depthwise("depthwise 3×3 1024 @7", 16, 7, 1024, 3),
    depthwise("depthwise 5×5 240 @14", 8, 14, 240, 5),
    depthwise("depthwise 3×3 24 @56", 16, 56, 24, 3),
    same("1×1 32→64 @112", 4, 112, 32, 64, 1),
    same("1×1 512→512 @14", 8, 14, 512, 512, 1),
    same("1×1 24→144 @56", 8, 56, 24, 144, 1),
    same("1×1 144→24 @56", 8, 56, 144, 24, 1),
)
DILATED_OR_LARGE = (
    same("3×3 dilation 2, 256→256 @28, batch 1", 1, 28, 256, 256, 3, dilation=2),
    same("3×3 dilation 2, 64→64 @32", 8, 32, 64, 64, 3, dilation=2),
    same("3×3 dilation 4, 64→64 @32", 8, 32, 64, 64, 3, dilation=4),
    same("3×3 dilation 6, 96→96 @33", 4, 33, 96, 96, 3, dilation=6),
    same("5×5 48→64 @28", 4, 28, 48, 64, 5),
    same("5×5 32→64 @14, batch 32", 32, 14, 32, 64, 5),
    same("5×5/2 32→64 @28", 16, 28, 32, 64, 5, stride=2),
    same("7×7 32→32 @28", 4, 28, 32, 32, 7),
    same("11×11/4 3→64 @224", 2, 224, 3, 64, 11, stride=4),
)
ODD_CHANNELS = (
    same("3×3 1→16 @28, batch 32", 32, 28, 1, 16, 3),
    same("5×5 1→6 @28, batch 32", 32, 28, 1, 6, 5),
    same("3×3 3→10 @32, batch 32", 32, 32, 3, 10, 3),
    same("3×3 10→20 @32, batch 32", 32, 32, 10, 20, 3),
    same("3×3 10→10 @28, batch 16", 16, 28, 10, 10, 3),
    same("3×3 24→100 @30", 8, 30, 24, 100, 3),
    same("3×3 100→100 @17", 8, 17, 100, 100, 3),
    same("3×3 100→24 @30", 8, 30, 100, 24, 3),
    same("1×1 100→10 @20", 8, 20, 100, 10, 1),
    same("3×3 24→24 @32, batch 32", 32, 32, 24, 24, 3),
    same("3×3 48→48 @24, batch 16", 16, 24, 48, 48, 3),
    same("5×5 10→24 @20, batch 16", 16, 20, 10, 24, 5),
)
OF_THE_ARTICLE_AND_GROUPED = (
    same("5×5 16→32 @14, batch 32", 32, 14, 16, 32, 5),
    same("3×3 16→16 @32, batch 32", 32, 32, 16, 16, 3),
    same("3×3 32→32 @16, batch 32", 32, 16, 32, 32, 3),
    same("3×3 64→64 @8, batch 32", 32, 8, 64, 64, 3),
    same("3×3, 4 groups, 128→128 @28", 8, 28, 128, 128, 3, groups=4),
    same("3×3, 32 groups, 128→128 @56", 4, 56, 128, 128, 3, groups=32),
)
FAMILIES = {
    "ResNet-50": RESNET50,
    "VGG": VGG,
    "MobileNet": MOBILENET,
    "dilated, large kernels": DILATED_OR_LARGE,
    "odd channels": ODD_CHANNELS,
    "the article, groups": OF_THE_ARTICLE_AND_GROUPED,
}

"""The table of all parity cases: convolution, pooling, normalisation, linear layers and the loss.

Elementwise operations, reductions and optimizers are in ``cases_arithmetic``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch_ref.parity.case import Case, labels, normal, positive
from torch_ref.parity.cases_arithmetic import ARITHMETIC_CASES

Pair = tuple[int, int]


class _Conv(NamedTuple):
    """One convolution geometry: x (N,C,H,W), F filters of size k, and the window parameters."""

    name: str
    x: tuple[int, int, int, int]
    filters: int
    k: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1


_CONVS = (
    _Conv("CNN conv1 5x5, 1->16", (2, 1, 28, 28), 16, (5, 5), padding=(2, 2)),
    _Conv("CNN conv2 5x5, 16->32", (2, 16, 14, 14), 32, (5, 5), padding=(2, 2)),
    _Conv("ResNet stem 3x3, 3->16", (2, 3, 32, 32), 16, (3, 3), padding=(1, 1)),
    _Conv("3x3, 16->16", (2, 16, 32, 32), 16, (3, 3), padding=(1, 1)),
    _Conv("3x3, 64->64", (2, 64, 8, 8), 64, (3, 3), padding=(1, 1)),
    _Conv("3x3 stride 2, 16->32", (2, 16, 32, 32), 32, (3, 3), (2, 2), (1, 1)),
    _Conv("1x1, 64->128", (2, 64, 7, 7), 128, (1, 1)),
    _Conv("1x1 stride 2, 32->64", (2, 32, 8, 8), 64, (1, 1), (2, 2)),
    _Conv("7x7 stride 2, 3->32", (2, 3, 33, 33), 32, (7, 7), (2, 2), (3, 3)),
    _Conv("channel tails 17->19", (3, 17, 9, 11), 19, (3, 3), padding=(1, 1)),
    _Conv("odd everything 5->7, stride 3", (3, 5, 13, 17), 7, (4, 3), (3, 2), (1, 2)),
    _Conv("dilation 2, 8->16", (2, 8, 17, 17), 16, (3, 3), padding=(2, 2), dilation=(2, 2)),
    _Conv("1x7 window, dilation (1,2)", (2, 8, 9, 21), 8, (1, 7), padding=(0, 3), dilation=(1, 2)),
    _Conv("kernel as large as the image", (4, 24, 6, 6), 10, (6, 6)),
    _Conv("4 groups, 16->24", (2, 16, 12, 12), 24, (3, 3), padding=(1, 1), groups=4),
    _Conv("depthwise 32", (2, 32, 14, 14), 32, (3, 3), padding=(1, 1), groups=32),
    _Conv("depthwise, two filters a channel, stride 2", (2, 10, 15, 15), 20, (3, 3), (2, 2), (1, 1), groups=10),
)


def _conv_case(g: _Conv) -> Case:
    def conv2d(lib: Any, x: Any, w: Any, b: Any) -> Any:
        return lib.nn.functional.conv2d(
            x, w, b, stride=g.stride, padding=g.padding, dilation=g.dilation, groups=g.groups
        )

    inputs = {"x": normal(*g.x), "w": normal(g.filters, g.x[1] // g.groups, *g.k), "b": normal(g.filters)}
    return Case("conv2d", g.name, conv2d, inputs)


def _functional(op: str, **params: Any) -> Callable[..., Any]:
    """``fn(lib, *tensors)`` that calls ``lib.nn.functional.<op>(*tensors, **params)``."""
    return lambda lib, *tensors: getattr(lib.nn.functional, op)(*tensors, **params)


def _pool_case(op: str, geometry: str, shape: tuple[int, ...], **params: Any) -> Case:
    return Case(op, geometry, _functional(op, **params), {"x": normal(*shape)})


_POOLS = (
    _pool_case("max_pool2d", "2x2", (2, 16, 28, 28), kernel_size=2),
    _pool_case("max_pool2d", "3x3 stride 2 padding 1", (2, 19, 15, 15), kernel_size=3, stride=2, padding=1),
    _pool_case(
        "max_pool2d", "overlapping 3x2, dilation (2,1)", (2, 8, 14, 13), kernel_size=(3, 2), stride=1, dilation=(2, 1)
    ),
    _pool_case("max_pool2d", "ceil_mode", (2, 5, 14, 15), kernel_size=3, stride=2, ceil_mode=True),
    _pool_case("avg_pool2d", "8x8 (ResNet)", (8, 64, 8, 8), kernel_size=8),
    _pool_case("avg_pool2d", "3x3 stride 2 padding 1", (2, 19, 15, 15), kernel_size=3, stride=2, padding=1),
    _pool_case("avg_pool2d", "ceil_mode", (2, 5, 14, 15), kernel_size=(3, 2), stride=2, ceil_mode=True),
    _pool_case(
        "avg_pool2d", "padding not counted", (2, 7, 9, 9), kernel_size=3, stride=2, padding=1, count_include_pad=False
    ),
)


def _batch_norm_case(
    geometry: str, shape: tuple[int, ...], *, training: bool, scale: float = 1.0, offset: float = 0.0
) -> Case:
    def batch_norm(lib: Any, x: Any, weight: Any, bias: Any, mean: Any, var: Any) -> Any:
        y = lib.nn.functional.batch_norm(x, mean, var, weight, bias, training=training, momentum=0.1, eps=1e-5)
        return y, mean, var

    c = shape[1]
    return Case(
        "batch_norm",
        geometry,
        batch_norm,
        {
            "x": normal(*shape, scale=scale, offset=offset),
            "weight": normal(c),
            "bias": normal(c),
            "running_mean": normal(c),
            "running_var": positive(c),
        },
        frozen=frozenset({"running_mean", "running_var"}),
        outputs=("forward", "running_mean", "running_var"),
    )


_BATCH_NORMS = (
    _batch_norm_case("training 16 channels", (8, 16, 14, 14), training=True),
    _batch_norm_case("training 64 channels", (8, 64, 8, 8), training=True),
    _batch_norm_case("training 19 channels (tail)", (5, 19, 7, 9), training=True),
    _batch_norm_case("training, mean 1000 times the deviation", (8, 16, 14, 14), training=True, offset=1000.0),
    _batch_norm_case("training, values near 1e-3", (8, 16, 8, 8), training=True, scale=1e-3),
    _batch_norm_case("evaluation", (8, 16, 14, 14), training=False),
)

_DENSE = (
    Case(
        "linear",
        "CNN fc 1568->10",
        _functional("linear"),
        {"x": normal(32, 1568), "w": normal(10, 1568), "b": normal(10)},
    ),
    Case(
        "linear", "ResNet fc 64->10", _functional("linear"), {"x": normal(32, 64), "w": normal(10, 64), "b": normal(10)}
    ),
    Case("linear", "no bias 37->53", _functional("linear"), {"x": normal(19, 37), "w": normal(53, 37)}),
    Case("matmul", "(64,100) @ (100,48)", lambda lib, a, b: a @ b, {"a": normal(64, 100), "b": normal(100, 48)}),
    Case("matmul", "tails (17,31) @ (31,5)", lambda lib, a, b: a @ b, {"a": normal(17, 31), "b": normal(31, 5)}),
    Case(
        "cross_entropy",
        "10 classes",
        _functional("cross_entropy"),
        {"x": normal(100, 10, scale=3.0), "t": labels(100, 10)},
    ),
    Case(
        "cross_entropy",
        "scores near 1000",
        _functional("cross_entropy"),
        {"x": normal(64, 13, scale=3.0, offset=1000.0), "t": labels(64, 13)},
    ),
    Case(
        "cross_entropy",
        "sum over 7 classes",
        _functional("cross_entropy", reduction="sum"),
        {"x": normal(50, 7), "t": labels(50, 7)},
    ),
)

CASES: tuple[Case, ...] = (
    *(_conv_case(geometry) for geometry in _CONVS),
    *_POOLS,
    *_BATCH_NORMS,
    *_DENSE,
    *ARITHMETIC_CASES,
)

"""Shapes of results, known without computing them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scratchconv.compiler._graph import Value
from scratchconv.compiler._shapes import hollow_of, is_relu, result_of
from scratchconv.ops import avg_pool2d, batch_norm, conv2d, linear, max_pool2d
from scratchconv.ops.elementwise import ADD, EXP, RELU
from scratchconv.ops.inplace import ADD_IN_PLACE, InPlace
from scratchconv.ops.reduction import SUM
from scratchconv.ops.shape import RESHAPE


def array(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape)


RUNNING = {"running_mean": np.zeros(4), "running_var": np.ones(4)}
CASES: list[tuple[Any, list[Any], dict[str, Any]]] = [
    (conv2d, [array(2, 4, 9, 8), array(6, 2, 3, 2), array(6)], {"stride": 2, "padding": (1, 0), "groups": 2}),
    (conv2d, [array(4, 9, 8), array(6, 4, 3, 2)], {"dilation": 2}),
    (batch_norm, [array(2, 4, 3, 3), array(4), None], {**RUNNING, "training": True}),
    (max_pool2d, [array(2, 4, 9, 7)], {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    (max_pool2d, [array(4, 9, 7)], {"kernel_size": 2}),
    (avg_pool2d, [array(2, 4, 9, 7)], {"kernel_size": 2}),
    (linear, [array(2, 5), array(3, 5), None], {}),
    (RELU, [array(2, 3)], {}),
    (RELU, [np.arange(3)], {}),
    (InPlace(RELU, "relu"), [array(2, 3)], {}),
    (ADD, [array(2, 3), array(2, 3)], {}),
    (ADD, [array(2, 3), array(3)], {}),
    (ADD_IN_PLACE, [array(2, 3), array(3)], {}),
    (EXP, [array(2, 3)], {}),
    (SUM, [array(2, 3)], {"dim": 1, "keepdim": True}),
    (RESHAPE, [array(2, 3, 4)], {"shape": (2, -1)}),
]


@pytest.mark.parametrize(("op", "arrays", "params"), CASES)
def test_as_computed(op: Any, arrays: list[Any], params: dict[str, Any]) -> None:
    values = [None if a is None else Value(i, a.shape, a.dtype, False) for i, a in enumerate(arrays)]
    shape, dtype = result_of(op, values, dict(params))
    y, _ = op.forward(*[None if a is None else a.copy() for a in arrays], **params)
    assert (shape, dtype) == (y.shape, y.dtype)


def test_what_does_not_fit_raises_as_the_operation_does() -> None:
    x, w = (Value(0, shape, np.dtype(np.float64), False) for shape in ((1, 2, 3, 3), (1, 2, 5, 5)))
    with pytest.raises(RuntimeError, match="the kernel must fit into the padded input"):
        result_of(conv2d, [x, w], {})


def test_arrays_without_contents() -> None:
    hollow = hollow_of(Value(0, (1000, 1000, 1000), np.dtype(np.float64), False))
    assert hollow.shape == (1000, 1000, 1000) and hollow.strides == (0, 0, 0)
    assert hollow_of(3) == 3


def test_relu_by_either_name() -> None:
    assert is_relu(RELU) and is_relu(InPlace(RELU, "relu")) and not is_relu(EXP)

"""Updates of many parameters against torch.optim: formulas, dtypes side by side, any memory order, errors."""

from __future__ import annotations

import copy
import itertools
import weakref
from typing import Any

import numpy as np
import pytest
import torch

from scratchconv.ops import optimizer as op
from tests.array_strategies import LAYOUTS, laid_out

SHAPES = [(3,), (16, 1, 5, 5), (), (20_000,), (0, 3), (40, 3), (6, 5, 4, 3)]
DTYPES = [np.float32, np.float64, np.float32, np.float32, np.float32, np.float64, np.float32]
LIES = [layout for layout in LAYOUTS if layout != "expanded"]
# After five steps: each rounds about ten times, and PyTorch rounds in another order.
ULPS = 64
SGD = [
    {},
    {"weight_decay": 0.1},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
    {"momentum": 0.9, "nesterov": True},
]


def random_arrays(seed: int, first_layout: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    made = []
    for i, (shape, dtype) in enumerate(zip(SHAPES, DTYPES, strict=True)):
        layout = LIES[(first_layout + i) % len(LIES)]
        made.append(laid_out(np.asarray(rng.normal(size=shape)).astype(dtype), layout))
    return made


def zeros(params: list[np.ndarray]) -> list[np.ndarray]:
    return [np.zeros(param.shape, param.dtype) for param in params]


def train(optimizer: Any, tensors: list[torch.Tensor], update: Any) -> None:
    """Five steps of both, on gradients whose memory order changes from step to step."""
    for step in range(5):
        grads = random_arrays(step + 1, step)
        for tensor, grad in zip(tensors, grads, strict=True):
            tensor.grad = torch.tensor(np.array(grad))
        optimizer.step()
        copies = [grad.copy() for grad in grads]
        update(step, grads)
        assert all(np.array_equal(a, b) for a, b in zip(grads, copies, strict=True))


def compare(params: list[np.ndarray], tensors: list[torch.Tensor]) -> None:
    for param, tensor in zip(params, tensors, strict=True):
        eps = np.finfo(param.dtype).eps
        np.testing.assert_allclose(param, tensor.detach().numpy(), rtol=ULPS * eps, atol=ULPS * eps)


@pytest.mark.parametrize("settings", SGD)
@pytest.mark.parametrize("layout", range(len(LIES)))
def test_sgd_equals_pytorch(settings: dict[str, Any], layout: int) -> None:
    params = random_arrays(0, layout)
    tensors = [torch.tensor(np.array(param), requires_grad=True) for param in params]
    momenta = zeros(params) if "momentum" in settings else []
    train(
        torch.optim.SGD(tensors, lr=0.1, **settings),
        tensors,
        lambda step, grads: op.sgd(params, grads, momenta, lr=0.1, first=step == 0, **settings),
    )
    compare(params, tensors)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("layout", range(len(LIES)))
def test_adam_equals_pytorch(weight_decay: float, layout: int) -> None:
    params = random_arrays(0, layout)
    tensors = [torch.tensor(np.array(param), requires_grad=True) for param in params]
    averages, squares = zeros(params), zeros(params)
    constants = {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": weight_decay}
    train(
        torch.optim.Adam(tensors, lr=0.01, weight_decay=weight_decay),
        tensors,
        lambda step, grads: op.adam(params, grads, averages, squares, step=step + 1, **constants),
    )
    compare(params, tensors)


def test_memory_between_the_elements_of_a_parameter_is_left_alone() -> None:
    memory = np.arange(12.0)
    op.sgd([memory[::2]], [np.ones(6)], [], lr=1.0)
    assert memory.tolist() == [-1, 1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11]


def test_nothing_to_do() -> None:
    op.sgd([], [], [], lr=0.1)


def test_errors() -> None:
    x = np.zeros((2, 3))
    with pytest.raises(
        RuntimeError, match=r"the gradient of a parameter must be float64 \(2, 3\), got float64 \(3, 2\)"
    ):
        op.sgd([x], [x.T], [], lr=0.1)
    with pytest.raises(RuntimeError, match="the momentum of a parameter must be float64"):
        op.sgd([x], [x], [x.astype(np.float32)], lr=0.1, momentum=0.9)
    with pytest.raises(RuntimeError, match="'gradients': 0"):
        op.sgd([x], [], [], lr=0.1)
    with pytest.raises(RuntimeError, match="must be float32 or float64, got int64"):
        op.sgd([x.astype(np.int64)], [x.astype(np.int64)], [], lr=0.1)


def test_tables_serve_while_the_arrays_are_the_same() -> None:
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (0,), (50,)]
    dtypes = [np.float32, np.float32, np.float64]

    def draw() -> list[np.ndarray]:
        return [rng.normal(size=shape).astype(dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]

    params, averages, squares = draw(), zeros(draw()), zeros(draw())
    twins = [[array.copy() for array in arrays] for arrays in (params, averages, squares)]
    tables = op.Tables()
    constants = {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    for step in range(1, 7):
        grads = draw()
        if step == 3:  # another array, and a gradient in another memory order
            params[0] = params[0].copy()
            grads[0] = np.asfortranarray(grads[0])
        if step == 5:
            tables = copy.deepcopy(tables)  # must not write where the first one does
        op.adam(params, grads, averages, squares, step=step, tables=tables, **constants)
        op.adam(twins[0], grads, twins[1], twins[2], step=step, **constants)
        for found, wanted in zip((*params, *averages, *squares), itertools.chain(*twins), strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_tables_keep_no_gradient_alive() -> None:
    param, momentum, tables = np.ones(5), np.zeros(5), op.Tables()
    for step in range(2):
        grad = np.ones(5)
        told = weakref.ref(grad)
        op.sgd([param], [grad], [momentum], lr=0.1, momentum=0.9, first=step == 0, tables=tables)
        del grad
        assert told() is None


def test_gradients_of_a_layer_with_one_channel_fit_the_tables() -> None:
    """NumPy gives an axis of one element other strides in other arrays of the same order."""
    param, momentum = (np.zeros((5, 5, 1, 16)).transpose(3, 2, 0, 1) for _ in range(2))
    grad = np.lib.stride_tricks.as_strided(np.ones(400), param.shape, (8, 8, 640, 128))
    tables = op.Tables()
    for step in range(1, 3):
        op.sgd([param], [grad], [momentum], lr=0.5, momentum=1.0, tables=tables)
        assert len(tables._arrays) == 2
        assert (momentum == step).all()
    assert (param == -1.5).all()

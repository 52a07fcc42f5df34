"""The tensor itself: attributes, flags, copies."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from tests.autograd.compare import draw, same, same_error


def test_attributes() -> None:
    for expression in (
        lambda lib, x: tuple(x.shape),
        lambda lib, x: tuple(x.size()),
        lambda lib, x: x.size(-1),
        lambda lib, x: x.dim(),
        lambda lib, x: x.ndim,
        lambda lib, x: x.numel(),
        lambda lib, x: x.requires_grad,
        lambda lib, x: (x * 2).requires_grad,
        lambda lib, x: x.is_leaf,
        lambda lib, x: (x * 2).is_leaf,
        lambda lib, x: x.grad is None and x.grad_fn is None,
    ):
        same(expression, draw(2, 3))
    assert sc.ones(2).dtype == sc.float32 == np.float32


def test_requires_grad() -> None:
    same(lambda lib, x: x.detach().requires_grad_() * 2, draw(3))
    same(lambda lib, x: x.requires_grad_(False) * 2, draw(3))
    same_error(lambda lib, x: (x * 2).requires_grad_(False), draw(3))
    same_error(lambda lib, x: lib.tensor([1]).requires_grad_(), draw(3))


def test_integer_results_carry_no_gradient() -> None:
    same(lambda lib, x: x.long(), draw(3))


def test_data_can_be_assigned() -> None:
    x = sc.ones(2, requires_grad=True)
    x.data = np.array([5.0, 6.0], np.float32)
    (x * x).backward(np.ones(2))
    assert x.grad is not None and x.grad.tolist() == [10, 12]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_leaves_are_copied_with_gradient_and_memory_order(copied: Any) -> None:
    x = sc.Tensor(draw(2, 4, 5, 3).transpose(0, 3, 1, 2), requires_grad=True)
    (x * 2).backward(np.ones(x.shape))
    y = copied(x)
    assert y.requires_grad and y.grad is not None and y.grad is not x.grad
    assert not np.shares_memory(x.data, y.data)
    np.testing.assert_array_equal(x.data, y.data)
    np.testing.assert_array_equal(y.grad.data, np.full(x.shape, 2))


def test_deepcopy_keeps_channels_last_memory() -> None:
    x = sc.Tensor(draw(2, 4, 5, 3).transpose(0, 3, 1, 2))
    assert copy.deepcopy(x).data.strides == x.data.strides


def test_results_are_not_copied_deeply() -> None:
    same_error(lambda lib, x: copy.deepcopy(x * 2), draw(3))


def test_a_subclass_keeps_its_attributes_and_gives_plain_results() -> None:
    class Named(sc.Tensor):
        name = "weight"

    x = Named(np.ones(2, np.float32), requires_grad=True)
    x.note = "kept"  # type: ignore[attr-defined]
    assert copy.deepcopy(x).note == "kept"  # type: ignore[attr-defined]
    assert type(copy.deepcopy(x)) is Named
    assert type(x * 2) is sc.Tensor

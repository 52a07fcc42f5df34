"""Creation functions against PyTorch: shapes, dtypes, values, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scratchconv as sc
from tests.autograd.compare import draw, same, same_error


@pytest.mark.parametrize(
    "expression",
    [
        lambda lib: lib.tensor(3),
        lambda lib: lib.tensor(3.0),
        lambda lib: lib.tensor(True),
        lambda lib: lib.tensor([[1.0, 2], [3, 4]]),
        lambda lib: lib.tensor([1, 2]),
        lambda lib: lib.tensor([True, False]),
        lambda lib: lib.tensor([]),
        lambda lib: lib.tensor(np.arange(3.0)),
        lambda lib: lib.tensor(np.float64(2)),
        lambda lib: lib.tensor([1, 2], dtype=lib.float64),
        lambda lib: lib.tensor(2.0, requires_grad=True) * 3,
        lambda lib: lib.zeros(2, 3),
        lambda lib: lib.zeros((2, 3), dtype=lib.int64),
        lambda lib: lib.zeros([2]),
        lambda lib: lib.zeros(()),
        lambda lib: lib.ones(2, 3, dtype=lib.bool),
        lambda lib: lib.ones(2, requires_grad=True) * 2,
        lambda lib: lib.full((2, 3), 7),
        lambda lib: lib.full((2,), 1.5),
        lambda lib: lib.full((2,), True),
        lambda lib: lib.zeros_like(lib.tensor([1, 2])),
        lambda lib: lib.ones_like(lib.tensor([1.0, 2.0]), dtype=lib.int64),
        lambda lib: lib.full_like(lib.tensor([1.0, 2.0]), 3),
        lambda lib: lib.eye(3),
        lambda lib: lib.eye(2, 3, dtype=lib.float64),
        lambda lib: lib.arange(5),
        lambda lib: lib.arange(2, 7),
        lambda lib: lib.arange(2, 7, 2),
        lambda lib: lib.arange(7, 2, -2),
        lambda lib: lib.arange(3.0),
        lambda lib: lib.arange(0, 1, 0.25),
        lambda lib: lib.arange(3, dtype=lib.float64),
        lambda lib: lib.linspace(0, 1, 5),
        lambda lib: lib.from_numpy(np.arange(3, dtype=np.int32)).long(),
    ],
)
def test_values(expression: Any) -> None:
    same(expression)


@pytest.mark.parametrize(
    "expression",
    [
        lambda lib: lib.tensor("a"),
        lambda lib: lib.tensor([[1, 2], [3]]),
        lambda lib: lib.tensor([1, 2], requires_grad=True),
        lambda lib: lib.from_numpy([1, 2]),
        lambda lib: lib.from_numpy(np.array(["a"])),
        lambda lib: lib.zeros(2, -1),
        lambda lib: lib.arange(3, 0),
        lambda lib: lib.arange(0, 3, 0),
        lambda lib: lib.randn(2, dtype=lib.int64),
    ],
)
def test_errors(expression: Any) -> None:
    same_error(expression)


def test_tensor_copies_and_from_numpy_and_the_constructor_do_not() -> None:
    array = np.zeros(3, np.float32)
    assert not np.shares_memory(sc.tensor(array).data, array)
    assert sc.from_numpy(array).data is array
    assert sc.Tensor(array).data is array
    x = sc.Tensor(array)
    assert not np.shares_memory(sc.tensor(x).data, array)


def test_like_functions_keep_channels_last_memory() -> None:
    x = sc.Tensor(draw(2, 4, 5, 3).transpose(0, 3, 1, 2))
    assert sc.zeros_like(x).data.strides == x.data.strides
    assert sc.ones_like(x).shape == x.shape


def test_random_numbers_have_the_right_moments() -> None:
    sc.manual_seed(0)
    n = 40_000
    normal, uniform, whole = sc.randn(n).data, sc.rand(n).data, sc.randint(3, 6, (n,)).data
    # 5 standard errors of the mean of n draws
    assert abs(normal.mean()) < 5 / n**0.5 and abs(normal.std() - 1) < 5 / (2 * n) ** 0.5
    assert abs(uniform.mean() - 0.5) < 5 * (1 / 12) ** 0.5 / n**0.5 and uniform.min() >= 0 and uniform.max() < 1
    assert sorted(set(whole.tolist())) == [3, 4, 5] and whole.dtype == np.int64
    assert sorted(sc.randperm(10).tolist()) == list(range(10))
    assert sc.randn(2, 3).dtype == sc.rand((2, 3)).dtype == sc.float32
    assert sc.randn(2, dtype=sc.float64, requires_grad=True).requires_grad
    assert sc.empty(2, 3).shape == (2, 3)

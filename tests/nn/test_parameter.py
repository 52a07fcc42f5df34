from __future__ import annotations

import copy

import numpy as np
import pytest

from scratchconv.autograd import Tensor
from scratchconv.nn import Parameter
from scratchconv.nn._parameter import overwrite


def test_is_a_leaf_that_wants_a_gradient_and_shares_memory() -> None:
    array = np.ones((2, 3), np.float32)
    for data in (array, Tensor(array)):
        p = Parameter(data)
        assert isinstance(p, Tensor)
        assert p.requires_grad
        assert p.is_leaf
        assert p.data is array
    assert not Parameter(array, requires_grad=False).requires_grad


def test_wants_floats_for_a_gradient() -> None:
    with pytest.raises(RuntimeError, match="int64"):
        Parameter(np.ones(2, np.int64))


def test_result_of_an_operation_is_no_parameter() -> None:
    assert not isinstance(Parameter(np.ones(2)) * 2.0, Parameter)


def test_repr_says_so() -> None:
    assert repr(Parameter(np.ones(2, np.float32))).startswith("Parameter containing:\ntensor(")


def test_deepcopy_keeps_kind_and_memory_order() -> None:
    p = Parameter(np.zeros((2, 3, 4, 5)).transpose(3, 2, 0, 1))
    twin = copy.deepcopy(p)
    assert isinstance(twin, Parameter)
    assert twin.requires_grad
    assert twin.data.strides == p.data.strides
    assert not np.shares_memory(twin.data, p.data)


def test_overwrite_keeps_memory_and_counts_as_a_change() -> None:
    p = Parameter(np.zeros((2, 3)).T)
    memory, loss = p.data, (p * p).sum()
    overwrite(p, np.arange(6).reshape(3, 2))
    assert p.data is memory
    assert p.tolist() == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(RuntimeError, match="in place"):
        loss.backward()

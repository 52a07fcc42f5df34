"""Promotion by PyTorch's rules, over every combination."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scratchconv.autograd import dtypes

DTYPES = ["bool", "int64", "float32", "float64"]


@given(st.lists(st.tuples(st.sampled_from(DTYPES), st.sampled_from([(), (2,)])), min_size=2, max_size=2))
def test_result_type_of_arrays(operands: list[tuple[str, Any]]) -> None:
    arrays = [np.ones(shape, dtype) for dtype, shape in operands]
    expected = torch.result_type(*(torch.from_numpy(array) for array in arrays))
    assert f"torch.{dtypes.result_type(*arrays)}" == str(expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (2,)])
@pytest.mark.parametrize("number", [True, 3, 2.5])
def test_result_type_of_an_array_and_a_number(dtype: str, shape: Any, number: float) -> None:
    array = np.ones(shape, dtype)
    assert f"torch.{dtypes.result_type(array, number)}" == str(torch.result_type(torch.from_numpy(array), number))


def test_numbers_alone() -> None:
    assert dtypes.of_scalar(True) == dtypes.bool
    assert dtypes.of_scalar(1) == dtypes.int64
    assert dtypes.of_scalar(1.0) == dtypes.float32
    assert dtypes.result_type(1, 2.0) == dtypes.float32


def test_nothing_has_no_dtype() -> None:
    with pytest.raises(TypeError, match="operands"):
        dtypes.result_type()

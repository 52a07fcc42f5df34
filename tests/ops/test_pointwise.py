"""Running elementwise kernels on arrays of any memory order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchconv.kernels.elementwise import naive as code
from scratchconv.ops._pointwise import binary, unary
from tests.array_strategies import arrays, shape_pairs, shapes


@given(st.data(), shape_pairs)
def test_binary_equals_numpy(data: Any, pair: Any) -> None:
    x, y = (data.draw(arrays(shape, np.float32)) for shape in pair.input_shapes)
    assert np.array_equal(binary(code.SUB, "sub", x, y), x - y)


@given(st.data(), shapes)
def test_unary_equals_numpy(data: Any, shape: tuple[int, ...]) -> None:
    x = data.draw(arrays(shape, np.float64))
    assert np.array_equal(unary(code.NEG, "neg", x), -x)


def test_needs_floating_numbers() -> None:
    with pytest.raises(RuntimeError, match=r"neg needs float32 or float64, got int64 of shape \(2,\)"):
        unary(code.NEG, "neg", np.array([1, 2]))

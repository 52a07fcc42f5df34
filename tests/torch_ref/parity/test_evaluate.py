"""One expression run in either library."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import scratchconv
from torch_ref.parity.case import Case, normal
from torch_ref.parity.evaluate import run, run_case

LIBRARIES = [torch, scratchconv]


@pytest.mark.parametrize("lib", LIBRARIES)
def test_product_by_hand(lib) -> None:
    arrays = {"a": np.array([1.0, 2.0]), "b": np.array([5.0, 7.0])}
    result = run(lib, lambda _, a, b: a * b, arrays, cotangent=lambda shape: np.array([1.0, 10.0]))
    assert result.outputs["forward"].tolist() == [5.0, 14.0]
    assert result.gradients["a"].tolist() == [5.0, 70.0]
    assert result.gradients["b"].tolist() == [1.0, 20.0]
    assert set(result.by_direction()) == {"forward", "da", "db"}


@pytest.mark.parametrize("lib", LIBRARIES)
def test_integers_and_frozen_inputs_get_no_gradient(lib) -> None:
    arrays = {"x": np.ones(3), "k": np.ones(3), "t": np.arange(3)}
    result = run(lib, lambda _, x, k, t: x * k * t, arrays, frozen={"k"})
    assert set(result.gradients) == {"x"}


@pytest.mark.parametrize("lib", LIBRARIES)
def test_inputs_are_copied(lib) -> None:
    array = np.zeros(3)

    def fill(_, x):
        x += 1
        return x

    assert run(lib, fill, {"x": array}, frozen={"x"}).outputs["forward"].tolist() == [1.0, 1.0, 1.0]
    assert not array.any()


@pytest.mark.parametrize("lib", LIBRARIES)
def test_both_dtypes_see_the_same_numbers(lib) -> None:
    case = Case("op", "geometry", lambda _, x: x * 2.0, {"x": normal(40)})
    narrow, wide = (run_case(lib, case, dtype, seed=3).by_direction() for dtype in (np.float32, np.float64))
    for name in ("forward", "dx"):
        assert narrow[name].dtype == np.float32 and wide[name].dtype == np.float64
        np.testing.assert_array_equal(narrow[name], wide[name])  # doubling is exact


def test_outputs_must_be_named() -> None:
    with pytest.raises(ValueError, match=r"returned 2 tensors.*\('y',\)"):
        run(torch, lambda _, x: (x, x), {"x": np.ones(2)}, outputs=("y",))

"""Checks that several operations share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scratchconv.ops import _checks


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_integers(value: Any) -> None:
    assert _checks.integer(value, "n") == 3
    assert type(_checks.integer(value, "n")) is int


@pytest.mark.parametrize("value", [1.0, True, None, "1", [1], np.float32(1)])
def test_what_is_no_integer(value: Any) -> None:
    with pytest.raises(TypeError, match="n must be an integer, got"):
        _checks.integer(value, "n")


@pytest.mark.parametrize(
    ("value", "wanted"), [(2, (2, 2)), ((2,), (2, 2)), ([1, 2], (1, 2)), ((np.int32(4), 5), (4, 5))]
)
def test_pairs(value: Any, wanted: tuple[int, int]) -> None:
    assert _checks.pair(value, "stride") == wanted


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1.5, TypeError),
        (None, TypeError),
        ((1, "2"), TypeError),
        ((True, 1), TypeError),
        ((1, 2, 3), RuntimeError),
        ((), RuntimeError),
    ],
)
def test_what_is_no_pair(value: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind) as error:
        _checks.pair(value, "stride")
    assert "stride" in str(error.value)
    assert repr(value) in str(error.value)


def test_lowest_values() -> None:
    assert _checks.at_least(0, (0, 3), "padding") == (0, 3)
    for wrong in ((-1, 3), (3, -1)):
        with pytest.raises(RuntimeError, match="padding must be at least 0 in each dimension, got"):
            _checks.at_least(0, wrong, "padding")


def test_one_dtype_for_all() -> None:
    single, double = np.zeros((2, 3), np.float32), np.zeros(4)
    assert _checks.same_dtype(x=single, b=None) == np.float32
    assert _checks.same_dtype(x=double, w=double) == np.float64
    with pytest.raises(RuntimeError, match=r"got x float32 \(2, 3\), w float64 \(4,\)"):
        _checks.same_dtype(x=single, w=double)
    for dtype in (np.int64, np.float16, np.complex64, ">f4"):
        with pytest.raises(RuntimeError, match="float32 or float64"):
            _checks.same_dtype(x=single.astype(dtype))


def test_truth_values_are_true_or_false() -> None:
    assert _checks.truth(True, "ceil_mode") is True
    assert _checks.truth(False, "ceil_mode") is False
    for wrong in (1, 0, None, "yes"):
        with pytest.raises(TypeError, match="ceil_mode must be True or False, got"):
            _checks.truth(wrong, "ceil_mode")


def test_supported_dtypes() -> None:
    assert _checks.supported(np.zeros(2, np.float32), "pooling") == np.float32
    with pytest.raises(NotImplementedError, match=r"pooling needs float32 or float64, got int64 of shape \(2,\)"):
        _checks.supported(np.zeros(2, np.int64), "pooling")

"""The error measure and the limits."""

from __future__ import annotations

import numpy as np
import pytest

from torch_ref.parity.cases import CASES
from torch_ref.parity.measure import LIMITS, LIMITS_FLOAT64, Error, error, floor, limit, pooled, ratio


def test_by_hand() -> None:
    truth = np.array([3.0, 4.0])  # RMS 5/√2
    found = error(np.array([3.0, 4.5]), truth)
    assert found.rms == pytest.approx(0.5 / 5)
    assert found.max == pytest.approx(0.5 / (5 / np.sqrt(2)))


def test_scale_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    truth, noise = rng.standard_normal(100), 1e-6 * rng.standard_normal(100)
    assert error((truth + noise) * 1e-20, truth * 1e-20) == pytest.approx(error(truth + noise, truth))


def test_equal_is_zero_even_if_not_finite() -> None:
    special = np.array([np.nan, np.inf, -np.inf, 0.0])
    assert error(special, special.copy()) == Error(0.0, 0.0)
    assert error(np.zeros((0, 3)), np.zeros((0, 3))) == Error(0.0, 0.0)


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        (np.zeros(3), np.zeros((3, 1))),  # shapes would broadcast
        (np.array([1.0, np.nan]), np.array([1.0, 2.0])),
        (np.array([1.0, 2.0]), np.array([1.0, np.inf])),
        (np.array([1e-30, 0.0]), np.zeros(2)),  # no scale to be relative to
    ],
)
def test_infinite_errors(value: np.ndarray, truth: np.ndarray) -> None:
    assert error(value, truth) == Error(np.inf, np.inf)


def test_pooled() -> None:
    assert pooled([Error(3.0, 5.0), Error(4.0, 1.0)]) == Error(pytest.approx(np.sqrt(12.5)), 5.0)


def test_correct_rounding_is_below_the_floor() -> None:
    exact = np.random.default_rng(0).standard_normal(10_000)
    rounded = error(exact.astype(np.float32), exact)
    assert floor(np.float32).rms / 2 < rounded.rms < floor(np.float32).rms
    assert rounded.max < floor(np.float32).max


def test_nobody_is_asked_for_less_than_correct_rounding() -> None:
    perfect, rounded = Error(0.0, 0.0), Error(1e-8, 1e-8)
    assert ratio(rounded, perfect, np.float32) == Error(1.0, 1.0)
    assert ratio(perfect, rounded, np.float32) == Error(1.0, 1.0)
    assert ratio(Error(6e-7, 4e-6), Error(2e-7, 1e-6), np.float32) == Error(pytest.approx(3), pytest.approx(4))


def test_every_case_has_a_limit_and_every_limit_a_case_and_a_reason() -> None:
    assert {case.op for case in CASES} == LIMITS.keys()
    assert all(entry.reason and 1 <= entry.factor <= 3 for entry in LIMITS.values())
    assert LIMITS_FLOAT64.keys() == LIMITS.keys()
    assert all(limit(op, "float64").factor >= limit(op, "float32").factor for op in LIMITS)

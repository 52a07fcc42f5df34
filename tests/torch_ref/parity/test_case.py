"""Inputs of the parity cases."""

from __future__ import annotations

import numpy as np

from torch_ref.parity.case import Case, away_from_zero, labels, normal, positive


def test_drawn_values_are_float32_values_in_float64() -> None:
    case = Case("op", "geometry", lambda lib, x: x, {"x": normal(50, offset=1000.0), "t": labels(50, 3)})
    drawn = case.draw(seed=1)
    assert drawn["x"].dtype == np.float64
    np.testing.assert_array_equal(drawn["x"], drawn["x"].astype(np.float32))
    assert drawn["t"].dtype == np.int64
    np.testing.assert_array_equal(drawn["x"], case.draw(seed=1)["x"])
    assert not np.array_equal(drawn["x"], case.draw(seed=2)["x"])


def test_ranges() -> None:
    rng = np.random.default_rng(0)
    assert positive(1000, low=0.5, high=2.0)(rng).min() >= 0.5
    divisors = away_from_zero(1000)(rng)
    assert np.abs(divisors).min() >= 0.5
    assert divisors.min() < 0 < divisors.max()
    assert set(labels(1000, 3)(rng)) == {0, 1, 2}
    far = normal(1000, scale=0.1, offset=7.0)(rng)
    assert abs(far.mean() - 7) < 0.05 and abs(far.std() - 0.1) < 0.05

"""Merging of narrow groups; that results stay those of naive is tested in tests/kernels/test_conv2d.py."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels.conv2d import _groups


@pytest.mark.parametrize(
    ("groups", "width", "expected"), [(1, 4, 1), (32, 4, 4), (32, 1, 16), (6, 4, 3), (7, 4, 1), (4, 32, 1), (12, 5, 3)]
)
def test_as_many_groups_as_fit_a_vector(groups: int, width: int, expected: int) -> None:
    assert _groups.merged(groups, width, 16) == expected


def test_weights_stand_on_the_diagonal() -> None:
    w = np.arange(1, 9, dtype=np.float32).reshape(1, 1, 2, 4)  # rows: channels of a group, columns: filters
    wide = _groups.spread(w, 2, 2)
    np.testing.assert_array_equal(wide[0, 0], [[1, 2, 0, 0], [5, 6, 0, 0], [0, 0, 3, 4], [0, 0, 7, 8]])


@pytest.mark.parametrize(("groups", "m"), [(6, 1), (6, 2), (6, 3), (6, 6)])
def test_gather_is_the_adjoint_of_spread(groups: int, m: int) -> None:
    rng = np.random.default_rng(0)
    w = rng.standard_normal((2, 3, 5, 4 * groups))
    wide = rng.standard_normal((2, 3, 5 * m, 4 * groups))
    back = np.full_like(w, np.nan)
    _groups.gather(wide, groups, m, back)
    np.testing.assert_allclose((_groups.spread(w, groups, m) * wide).sum(), (w * back).sum())
    _groups.gather(_groups.spread(w, groups, m), groups, m, back)
    np.testing.assert_array_equal(back, w)

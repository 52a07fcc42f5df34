"""Packing of weights into panels."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels.conv2d import _panels


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("filters", [3, 8, 20])
def test_forward_weights(filters: int, groups: int, dtype: type) -> None:
    """Lanes are filters, rows are (tap, channel): taps in reverse order here, as a turned kernel asks for them."""
    w = np.random.default_rng(0).standard_normal((2, 3, 5, groups * filters)).astype(dtype)
    rows = (np.arange(6)[::-1, None] * w[0, 0].size + np.arange(5) * w.shape[3]).ravel()
    panels = np.full((groups, -(-filters // 8), 30, 8), np.nan, dtype)
    _panels.pack(w.reshape(-1), rows, 1, filters, filters, 8, panels)
    for group in range(groups):
        matrix = w.reshape(6, 5, groups, filters)[::-1, :, group].reshape(30, filters)
        wide = np.pad(matrix, ((0, 0), (0, -filters % 8)))
        np.testing.assert_array_equal(panels[group], wide.reshape(30, -1, 8).transpose(1, 0, 2))


def test_input_gradient_weights() -> None:
    """Lanes are channels, rows are (tap, filter): the transposed matrix of each tap."""
    w = np.random.default_rng(0).standard_normal((1, 2, 5, 3)).astype(np.float32)
    rows = (np.arange(2)[:, None] * 15 + np.arange(3)).ravel()
    panels = np.full((1, 1, 6, 8), np.nan, np.float32)
    _panels.pack(w.reshape(-1), rows, 3, 3, 5, 8, panels)
    np.testing.assert_array_equal(panels[0, 0, :, :5], w[0].transpose(0, 2, 1).reshape(6, 5))
    np.testing.assert_array_equal(panels[0, 0, :, 5:], 0)


def test_phases_without_taps_need_no_panels() -> None:
    panels = np.full((1, 2, 0, 8), np.nan, np.float32)
    _panels.pack(np.zeros(0, np.float32), np.zeros(0, np.int64), 1, 1, 12, 8, panels)

"""Packing of weights into panels."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv import simd
from scratchconv.kernels.conv2d import _panels

WIDTH = 2 * simd.lanes(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("taps", "filters"), [(6, 3), (6, WIDTH), (6, 2 * WIDTH + 7), (30, 40)])
def test_forward_weights(taps: int, filters: int, groups: int, dtype: type) -> None:
    """Lanes are filters, rows are (tap, channel): taps in reverse order here, as a turned kernel asks for them."""
    w = np.random.default_rng(0).standard_normal((2, taps // 2, 5, groups * filters)).astype(dtype)
    rows = (np.arange(taps)[::-1, None] * w[0, 0].size + np.arange(5) * w.shape[3]).ravel()
    panels = np.full((groups, -(-filters // WIDTH), 5 * taps, WIDTH), np.nan, dtype)
    _panels.pack(w.reshape(-1), rows, 1, 1, filters, filters, WIDTH, panels)
    for group in range(groups):
        matrix = w.reshape(taps, 5, groups, filters)[::-1, :, group].reshape(5 * taps, filters)
        wide = np.pad(matrix, ((0, 0), (0, -filters % WIDTH)))
        np.testing.assert_array_equal(panels[group], wide.reshape(5 * taps, -1, WIDTH).transpose(1, 0, 2))


def test_input_gradient_weights() -> None:
    """Lanes are channels, rows are (tap, filter): the transposed matrix of each tap."""
    w = np.random.default_rng(0).standard_normal((1, 2, 5, 3)).astype(np.float32)
    rows = (np.arange(2)[:, None] * 15 + np.arange(3)).ravel()
    panels = np.full((1, 1, 6, WIDTH), np.nan, np.float32)
    _panels.pack(w.reshape(-1), rows, 3, 3, 3, 5, WIDTH, panels)
    np.testing.assert_array_equal(panels[0, 0, :, :5], w[0].transpose(0, 2, 1).reshape(6, 5))
    np.testing.assert_array_equal(panels[0, 0, :, 5:], 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [32, 40])
def test_input_gradient_weights_in_squares(channels: int, dtype: type) -> None:
    """Filters and lanes in whole vectors are transposed in registers; a panel that is not full is not."""
    w = np.random.default_rng(0).standard_normal((1, 2, channels, 64)).astype(dtype)
    rows = (np.arange(2)[:, None] * channels * 64 + np.arange(64)).ravel()
    panels = np.full((1, 2, 128, 32), np.nan, dtype)
    _panels.pack(w.reshape(-1), rows, 64, 64, 64, channels, 32, panels)
    wide = np.pad(w[0], ((0, 0), (0, 64 - channels), (0, 0))).transpose(0, 2, 1).reshape(128, 2, 32)
    np.testing.assert_array_equal(panels[0], wide.transpose(1, 0, 2))


def test_phases_without_taps_need_no_panels() -> None:
    panels = np.full((1, 2, 0, WIDTH), np.nan, np.float32)
    _panels.pack(np.zeros(0, np.float32), np.zeros(0, np.int64), 1, 1, 1, 12, WIDTH, panels)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("channels", "filters"), [(32, 48), (16, 5), (10, 32), (1, 1)])
def test_kernels_turned_round(channels: int, filters: int, dtype: type) -> None:
    w = np.random.default_rng(0).standard_normal((3, 2, channels, filters)).astype(dtype)
    wanted = w[::-1, ::-1].swapaxes(2, 3)
    out = np.full(wanted.shape, np.nan, dtype)
    _panels.turn(w, out)
    for found in (out, _panels.turned(w), _panels.turned_copy(w)):
        np.testing.assert_array_equal(found, wanted)

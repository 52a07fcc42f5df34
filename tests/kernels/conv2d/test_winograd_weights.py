"""Transformed kernels: every plane is G w G', in panels, padded with zeros."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels.conv2d import _winograd_plan as plan
from scratchconv.kernels.conv2d._winograd_weights import transform_weights


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("taps", "stride"), [((3, 3), 1), ((5, 5), 1), ((3, 3), 2)])
@pytest.mark.parametrize(("channels", "filters"), [(1, 1), (5, 33), (16, 32), (20, 70)])
def test_planes_and_panels(channels: int, filters: int, taps: tuple[int, int], stride: int, dtype: type) -> None:
    tile = plan.choose_results("exact", taps, stride, channels)
    maps = plan.forward_transforms(tile, taps, stride, filters, np.dtype(dtype))
    _, tiling = plan.forward((1, 8, 8, channels), (1, 8, 8, filters), (-1, -1), tile, maps)
    w = np.random.default_rng(0).standard_normal((*taps, channels, filters)).astype(dtype)
    planes = transform_weights(maps, w, tiling).reshape(plan.kernel_planes(tile, taps, stride), tiling.weight_plane)
    width = maps.tile.width
    panels = planes[:, : channels * tiling.width].reshape(len(planes), tiling.width // width, channels, width)
    found = panels.transpose(0, 2, 1, 3).reshape(len(planes), channels, tiling.width)
    left, right = (np.array(matrix, np.float64) for matrix in (maps.kernel.left, maps.kernel.right))
    wanted = np.einsum("au,uvcf,bv->abcf", left, w.astype(np.float64), right).reshape(len(planes), channels, filters)
    # A sum of at most 25 terms near one, each product rounded a few times.
    np.testing.assert_allclose(found[:, :, :filters], wanted, atol=64 * np.finfo(dtype).eps)
    assert np.all(found[:, :, filters:] == 0)
    assert planes.ctypes.data % 64 == 0

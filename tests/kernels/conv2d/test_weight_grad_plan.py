"""How the work of the weight gradient is cut."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv import simd
from scratchconv.kernels.conv2d import _plan
from scratchconv.kernels.conv2d import _weight_grad_plan as plan
from tests.strategies import ConvGeometry


def test_work_items_stay_in_the_second_level_cache() -> None:
    limits = plan.limits(copy=False, in_place=False)
    assert limits.block_bytes <= simd.cache_bytes(2)
    assert limits.pixels * 2 * simd.vector_bytes() <= simd.cache_bytes(2) // 4  # the panel of dy, of two vectors


DIVIDED = {  # geometry: partial sums, blocks of filters
    "few pixels, many weights": (ConvGeometry(1, (7, 7), 512, (3, 3), 512, padding=(1, 1)), (1, 16)),
    "many pixels, few weights": (ConvGeometry(100, (32, 32), 3, (3, 3), 16, padding=(1, 1)), (16, 1)),
    "both": (ConvGeometry(4, (28, 28), 256, (3, 3), 256, padding=(1, 1)), (3, 6)),
    "nothing": (ConvGeometry(0, (7, 7), 512, (3, 3), 512, padding=(1, 1)), (0, 16)),
}


@pytest.mark.skipif(simd.vector_registers() != 32, reason="counts of a tile of two vectors of 16 lanes")
@pytest.mark.parametrize("name", DIVIDED)
def test_sums_are_divided_by_pixels_or_by_filters(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many tasks as there are threads to come, and no more partial sums than the pixels are worth."""
    monkeypatch.setattr(simd, "cache_bytes", lambda level: 1 << 20)
    g, wanted = DIVIDED[name]
    shapes = (g.batch, *g.size, g.channels), (g.batch, *g.out, g.filters), (*g.kernel, g.channels, g.filters)
    dims = zip(g.size, g.out, g.kernel, g.stride, g.padding, g.dilation, strict=True)
    directions = tuple(_plan.forward_direction(*dim) for dim in dims)
    block, shape, _ = plan.arrange(*shapes, directions, g.dilation, 1, np.dtype(np.float32), copy=False)
    dw = np.broadcast_to(np.float32(0), shapes[2])
    assert plan.divide(block, dw, 1, shape.width, cheap=True) == wanted
    chunks, blocks = plan.divide(block, dw, 1, shape.width, cheap=False)
    assert blocks == 1  # a source that is computed is computed once
    assert chunks == 0 if g.batch == 0 else chunks >= min(4, g.batch)


def test_taps_in_the_padding_are_left_out() -> None:
    """A window of result rows and columns for each tile: row and column 0 belong to no tap that lies above or left."""
    g = ConvGeometry(1, (7, 7), 16, (3, 3), 8, padding=(1, 1))
    dims = zip(g.size, g.out, g.kernel, g.stride, g.padding, g.dilation, strict=True)
    directions = tuple(_plan.forward_direction(*dim) for dim in dims)
    shapes = (1, 7, 7, 16), (1, 7, 7, 8), (3, 3, 16, 8)
    block, _, _ = plan.arrange(*shapes, directions, (1, 1), 1, np.dtype(np.float32), copy=False)
    windows = plan.windows(block, shapes[2], directions, (9, 16), 18)
    np.testing.assert_array_equal(windows[::2], [(*u, *v) for u in ((1, 7), (0, 7), (0, 6)) for v in
                                                 ((1, 7), (0, 7), (0, 6))])  # fmt: skip
    np.testing.assert_array_equal(plan.windows(block, shapes[2], directions, (3, 48), 18), [(0, 7, 0, 7)] * 18)

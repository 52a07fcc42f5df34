"""How the kernels for stride 2 cut a convolution, and the layout of their scratch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchconv import simd
from scratchconv.kernels.conv2d import _strided_plan as plan
from tests.strategies import ConvGeometry, strided_geometries


def forget() -> None:
    plan.tiles.cache_clear()
    plan.forward_tile.cache_clear()


@pytest.mark.parametrize("registers", [16, 32])
def test_register_tiles_fit(registers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simd, "vector_registers", lambda: registers)
    forget()
    for dtype in (np.float32, np.float64):
        t = plan.tiles(np.dtype(dtype))
        for columns in (1, 7, 8, 28, 99):
            forward = plan.forward_tile(columns, np.dtype(dtype))
            assert forward.rows * forward.vecs + forward.vecs < registers
        assert 4 * t.blocks.rows + 2 * t.beside.rows < registers  # the four phases, and two rows of dy
        assert t.products.rows * t.products.vecs + t.products.vecs < registers
        assert t.beside.rows == t.blocks.rows + 1
        assert simd.lanes(dtype) % t.products.rows == 0  # filters of a tile lie in one slab
    forget()


@given(st.integers(1, 9), st.integers(1, 99), st.integers(1, 5000), st.integers(1, 50000))
def test_work_items_fit_and_cover_an_image(batch: int, down: int, row_bytes: int, budget: int) -> None:
    images, rows = plan.cut(batch, down, row_bytes, budget)
    assert 1 <= images <= batch
    assert images == 1 or images * down * row_bytes <= budget
    if rows < down:
        assert rows % 2 == 0  # no window of a 2x2 pooling is cut
        assert rows * row_bytes <= budget + row_bytes or rows == 2
    else:
        assert down * row_bytes <= budget or down <= 2


@given(strided_geometries(), st.sampled_from([np.float32, np.float64]))
def test_parts_of_the_scratch_do_not_overlap(g: ConvGeometry, dtype: type) -> None:
    x, y, kind = (g.batch, *g.size, g.channels), (g.batch, *g.out, g.filters), np.dtype(dtype)
    block, layout = plan.forward(x, y, kind)
    gx, gy, both = plan.backward(x, y, kind)
    for b, slab, at, end in (
        (block, layout.x_slab, layout.x_at, layout.out_at),
        (gx, both.x_slab, both.x_at, both.dy_at),
        (gy, both.dy_slab, both.dy_at, both.out_at),
    ):
        assert b.images * b.height * b.width * b.pixel <= slab
        assert slab * -(-b.channels // b.pixel) <= end - at
        assert at % 16 == slab % 16 == 0  # whole cache lines of float32
        assert slab // 16 % 2 == 1  # slabs do not share the sets of the first-level cache
        # The last window and the last pixel of dy, or the one beside it, lie in the block.
        assert b.width >= b.source_w - b.left
        assert b.height * b.strips >= b.source_h - b.top
    tile, forward = plan.tiles(kind), plan.forward_tile(y[2], kind)
    assert forward.rows * forward.width <= layout.x_at
    assert 4 * tile.blocks.rows * tile.blocks.width <= both.x_at
    assert layout.scratch - layout.out_at >= block.images * min(block.rows, y[1]) * y[2] * y[3]
    assert both.scratch - both.out_at >= gx.images * min(2 * gx.rows, x[1]) * x[2] * x[3]
    assert (gx.images, gx.rows, gx.strips) == (gy.images, gy.rows, gy.strips)

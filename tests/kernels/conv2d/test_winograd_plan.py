"""How Winograd's kernels cut a convolution: tiles, work items, groups, and the layout of the scratch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchconv import simd
from scratchconv.kernels.conv2d import _winograd_plan as plan
from tests.strategies import ConvGeometry, winograd_geometries

LINE = 16  # float32 elements of a cache line: planes, channels and panels are rounded up to it


def shapes(g: ConvGeometry) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (g.batch, *g.size, g.channels), (g.batch, *g.out, g.filters)


def test_the_tile_depends_on_precision_and_on_how_many_channels_are_added_up() -> None:
    assert plan.choose_results("exact", (3, 3), 1, 64) == (2, 4)
    assert plan.choose_results("exact", (3, 3), 1, 65) == (2, 2)
    assert plan.choose_results("exact", (3, 3), 2, 64) == (4, 4)
    assert plan.choose_results("exact", (3, 3), 2, 128) == (2, 4)
    assert plan.choose_results("exact", (3, 3), 2, 129) == (2, 2)
    assert plan.choose_results("exact", (5, 5), 1, 32) == (2, 2)
    assert plan.choose_results("exact", (5, 5), 1, 512) == (2, 2)  # there is no smaller one
    assert plan.choose_results("fast", (3, 3), 1, 512) == (4, 4)
    assert plan.is_accurate("exact", (3, 3), 1, 512)
    assert plan.is_accurate("exact", (3, 3), 2, 512)
    assert plan.is_accurate("exact", (5, 5), 1, 32)
    assert not plan.is_accurate("exact", (5, 5), 1, 33)
    assert plan.is_accurate("fast", (5, 5), 1, 512)
    assert not plan.is_accurate("exact", (3, 5), 1, 1)
    assert not plan.is_accurate("exact", (5, 5), 2, 1)
    assert not plan.is_accurate("exact", (3, 3), 3, 1)
    assert [plan.choose_results("exact", (3, 3), 1, n, plan.WEIGHT_TILES) for n in (511, 512, 2047, 2048)] == [
        (2, 2), (2, 4), (2, 4), (4, 4)
    ]  # fmt: skip
    assert plan.choose_results("exact", (5, 5), 1, 4095, plan.WEIGHT_TILES) == plan.DIRECT
    assert plan.choose_results("exact", (5, 5), 1, 4096, plan.WEIGHT_TILES) == (2, 4)


def test_every_tile_has_an_even_number_of_rows() -> None:
    """So no window of a 2x2 pooling lies in two work items."""
    for tiles in (*plan.TILES.values(), *plan.WEIGHT_TILES.values()):
        assert {tile[0] % 2 for sizes in tiles.values() for _, tile in sizes} == {0}


def sizes(t: plan.Transforms) -> list[tuple[int, ...]]:
    maps = (t.source, t.kernel, t.result, t.gradient, t.weight)
    return [(s.rows, s.columns, s.source_rows, s.source_columns) for s in maps]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transforms_belong_together(dtype: type) -> None:
    t = plan.forward_transforms((2, 4), (3, 5), 1, 20, np.dtype(dtype))
    n, m = (2 + 3 - 1, 4 + 5 - 1), (2, 4)
    assert sizes(t) == [(*n, *n), (*n, 3, 5), (*m, *n), (*n, *m), (3, 5, *n)]
    assert plan.kernel_planes((2, 4), (3, 5), 1) == n[0] * n[1]
    assert t.gradient.left == plan.transposed(t.result.left)
    assert t.weight.right == plan.transposed(t.kernel.right)
    assert t.tile is plan.choose_tile(20, np.dtype(dtype))
    assert plan.forward_transforms((2, 4), (3, 5), 1, 20, np.dtype(dtype)) is t


def test_with_stride_1_dx_has_the_transforms_of_a_convolution() -> None:
    for padding in ((0, 0), (1, 2), (5, 4)):
        back = plan.backward_transforms((2, 4), (3, 5), 1, padding, 20, 20, np.dtype(np.float32))
        there = plan.forward_transforms((2, 4), (3, 5), 1, 20, np.dtype(np.float32))
        assert (back.source.left, back.kernel.right, back.result.left) == (
            there.source.left, there.kernel.right, there.result.left
        )  # fmt: skip
        assert plan.first_input((3, 5), 1, padding) == (padding[0] - 2, padding[1] - 4)


def test_with_stride_2_a_phase_of_one_tap_has_one_plane_of_kernels() -> None:
    """Along an axis, F(m, 2) has m + 1 products and the single tap m, all with the same kernel."""
    t = plan.forward_transforms((2, 4), (3, 3), 2, 20, np.dtype(np.float32))
    n, kernels = (2 * 2 + 1, 2 * 4 + 1), (2 + 2, 4 + 2)
    assert sizes(t) == [(*n, 5, 9), (*kernels, 3, 3), (2, 4, *n), (*n, 2, 4), (3, 3, *kernels)]
    assert plan.kernel_planes((2, 4), (3, 3), 2) == kernels[0] * kernels[1]
    t = plan.backward_transforms((2, 4), (3, 3), 2, (1, 1), 20, 20, np.dtype(np.float32))
    assert sizes(t) == [(*n, 3, 5), (*kernels, 3, 3), (4, 8, *n), (*n, 4, 8), (3, 3, *kernels)]
    assert plan.first_input((3, 3), 2, (1, 1)) == (0, 0)


@pytest.mark.parametrize("registers", [16, 32])
def test_register_tiles_fit(registers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simd, "vector_registers", lambda: registers)
    for width in range(1, 99, 7):
        # Nothing remembered of other machines.
        for shape in (
            plan.choose_tile.__wrapped__(width, np.dtype(np.float32)),
            plan.choose_products(width, np.dtype(np.float32)),
        ):
            # Accumulators and weights; broadcasts come from memory.
            assert shape.rows * shape.vecs + shape.vecs <= registers
            assert plan.round_up(width, shape.width) < width + 2 * shape.lanes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_products_lie_in_one_vector_of_channels(dtype: type) -> None:
    for width in (1, 16, 17, 64):
        shape = plan.choose_products(width, np.dtype(dtype))
        assert shape.lanes % shape.rows == 0


@given(st.integers(1, 3000), st.sampled_from([1, 14, 16]), st.integers(64, 9000), st.integers(64, 90_000))
def test_groups_stay_within_the_budget_and_waste_little(tiles: int, rows: int, tile_bytes: int, budget: int) -> None:
    group = plan.group_of(tiles, rows, tile_bytes, budget)
    assert group % rows == 0
    assert group == rows or (group - rows + 1) * tile_bytes <= budget or group - rows + 1 <= rows
    computed = tiles // group * group + plan.round_up(tiles % group, rows)
    assert computed == plan.round_up(tiles, rows)  # whole register tiles but for the last


@given(st.integers(0, 40), st.integers(1, 60), st.integers(1, 60), st.integers(1, 1 << 22), st.sampled_from([1, 14]))
def test_work_items_stay_within_the_cache(batch: int, down: int, across: int, row_bytes: int, rows: int) -> None:
    images, strip = plan.cut(batch, down, across, row_bytes, rows)
    assert 1 <= images <= max(1, batch)
    assert 1 <= strip <= down
    assert images == 1 or strip == down
    assert images * strip * row_bytes <= max(simd.cache_bytes(2) // 3, row_bytes)


def test_planes_do_not_meet_in_the_cache() -> None:
    for elements in (1, 16, 17, 32, 1024, 4096):
        assert plan.plane(elements) >= elements
        assert plan.plane(elements) // LINE % 2 == 1
        assert plan.plane(elements) % LINE == 0
        assert plan.plane(elements) < elements + 2 * LINE


both_ways = given(winograd_geometries(), st.sampled_from([np.float32, np.float64]), st.sampled_from(["exact", "fast"]))


@both_ways
def test_scratch_of_the_forward_pass_holds_its_parts_side_by_side(g: ConvGeometry, dtype: type, precision: str) -> None:
    stride = g.stride[0]
    tile = plan.choose_results(precision, g.kernel, stride, g.channels)
    maps = plan.forward_transforms(tile, g.kernel, stride, g.filters, np.dtype(dtype))
    step = (stride * tile[0], stride * tile[1])
    block, t = plan.forward(*shapes(g), (-g.padding[0], -g.padding[1]), step, maps)
    shape, count = maps.tile, maps.source.rows * maps.source.columns
    tall = plan.round_up(t.group, shape.rows)  # the last register tile of a group is a whole one
    assert t.block_at >= tile[0] * tile[1] * shape.lanes  # a tile that does not fit into the image
    assert t.source_at - t.block_at == block.images * block.height * block.width * block.pixel
    if plan.is_in_place(shape, t.pitch, t.width):
        assert (t.result_at, t.result_plane) == (t.source_at, t.source_plane)
    else:
        assert t.result_at - t.source_at == count * t.source_plane
    assert t.out_at - t.result_at == count * t.result_plane
    assert t.scratch - t.out_at >= block.images * min(block.rows * block.spread, g.out[0]) * g.out[1] * g.filters
    assert t.source_plane >= tall * block.pixel
    assert t.result_plane >= tall * shape.width
    assert block.pixel >= t.depth == g.channels
    assert t.weight_plane >= t.depth * t.width
    assert (block.step, block.column_step, block.spread) == (*step, tile[0])
    assert block.height >= (block.rows - 1) * step[0] + maps.source.source_rows  # the last patch lies in the block
    assert block.width >= (t.columns - 1) * step[1] + maps.source.source_columns
    assert block.strips * block.rows * tile[0] >= g.out[0]
    assert t.columns * tile[1] >= g.out[1]
    assert {at % LINE for at in (t.block_at, t.source_at, t.result_at)} == {0}


@both_ways
def test_scratch_of_the_backward_pass_holds_its_parts(g: ConvGeometry, dtype: type, precision: str) -> None:
    stride = g.stride[0]
    step = plan.choose_results(precision, g.kernel, stride, g.filters)
    maps = plan.backward_transforms(step, g.kernel, stride, g.padding, g.channels, g.filters, np.dtype(dtype))
    x, dy = shapes(g)
    gx, gy, t = plan.backward(dy, x, plan.first_input(g.kernel, stride, g.padding), step, maps)
    count, tile = maps.source.rows * maps.source.columns, (stride * step[0], stride * step[1])
    tall = plan.round_up(t.group, maps.tile.rows)
    assert (gx.images, gx.rows, gx.strips, gx.spread) == (gy.images, gy.rows, gy.strips, gy.spread)
    assert t.x_at - t.block_at == gy.images * gy.height * gy.width * gy.pixel
    assert t.source_at - t.x_at == gx.images * gx.height * gx.width * gx.pixel
    assert t.tiles_at - t.source_at == count * t.source_plane
    if plan.is_in_place(maps.tile, t.pitch, t.width):
        assert (t.result_at, t.result_plane) == (t.source_at, t.source_plane)
        assert t.sums_at - t.tiles_at == count * t.tiles_plane
    else:
        assert t.result_at - t.tiles_at == count * t.tiles_plane
        assert t.sums_at - t.result_at == count * t.result_plane
    assert t.out_at - t.sums_at == plan.kernel_planes(step, g.kernel, stride) * t.sums_plane
    assert t.scratch - t.out_at >= gy.images * min(gy.rows * tile[0], g.size[0]) * g.size[1] * g.channels
    assert t.source_plane >= tall * gy.pixel
    assert t.tiles_plane >= t.group * t.lanes
    assert t.result_plane >= tall * maps.tile.width
    assert t.sums_plane >= t.lanes * t.sums_width
    assert t.sums_width % maps.products.width == 0 and t.sums_width >= g.filters
    # The last register tile of products reads filters that do not exist: whatever lies there, but inside.
    assert t.source_at + (count - 1) * t.source_plane + t.sums_width * t.group <= t.scratch
    assert gx.pixel == t.lanes >= g.channels
    assert t.lanes % maps.products.rows == 0
    assert (gx.height, gx.width) == (gx.rows * tile[0], t.columns * tile[1])
    assert (gx.step, gx.column_step) == (maps.result.rows, maps.result.columns) == tile
    assert (gy.step, gy.column_step, gy.spread) == (*step, tile[0])
    assert gy.height >= (gy.rows - 1) * step[0] + maps.source.source_rows
    assert {at % LINE for at in (t.block_at, t.x_at, t.source_at, t.tiles_at, t.result_at, t.sums_at)} == {0}

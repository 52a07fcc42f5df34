"""The tables of the direct kernels: each is replayed here in plain Python and must walk the convolution."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchconv import simd
from scratchconv.kernels.conv2d import _plan
from scratchconv.kernels.conv2d._plan import Direction, Limits
from tests.strategies import ConvGeometry, conv_geometries

FREE = Limits(block_bytes=1 << 20, join=256, pixels=1 << 40)


def directions(g: ConvGeometry, *, gradient: bool) -> tuple[Direction, Direction]:
    make = _plan.input_grad_direction if gradient else _plan.forward_direction
    dims = zip(g.size, g.out, g.kernel, g.stride, g.padding, g.dilation, strict=True)
    row, column = (make(*dim) for dim in dims)
    return row, column


def test_forward_has_one_phase_with_all_taps() -> None:
    direction = _plan.forward_direction(size=9, out=5, taps=3, stride=2, padding=1, dilation=1)
    assert direction.phases == (((-1, 0), (0, 1), (1, 2)),)
    assert (direction.step, direction.spread, direction.low, direction.high) == (2, 1, -1, 1)
    assert (direction.positions, direction.count(0)) == (5, 5)


def test_input_gradient_of_stride_two_has_an_even_and_an_odd_phase() -> None:
    """The table of README, section 2: u = 1 for even pixels, u = 2 and u = 0 for odd ones."""
    direction = _plan.input_grad_direction(size=9, out=5, taps=3, stride=2, padding=1, dilation=1)
    assert direction.phases == (((0, 1),), ((0, 2), (1, 0)))
    assert (direction.step, direction.spread, direction.low, direction.high) == (1, 2, 0, 1)
    assert [direction.count(a) for a in (0, 1)] == [5, 4]


def test_a_stride_beyond_the_image_needs_no_more_phases_than_pixels() -> None:
    direction = _plan.input_grad_direction(size=4, out=1, taps=2, stride=2**40, padding=0, dilation=1)
    assert direction.phases == (((0, 0),), ((0, 1),), (), ())


@given(conv_geometries())
def test_phases_solve_the_equation_of_the_input_gradient(g: ConvGeometry) -> None:
    for direction, taps, s, p, d in zip(
        directions(g, gradient=True), g.kernel, g.stride, g.padding, g.dilation, strict=True
    ):
        for h in range(direction.result):
            wanted = {((h + p - u * d) // s, u) for u in range(taps) if (h + p - u * d) % s == 0}
            assert {(h // s + shift, u) for shift, u in direction.phases[h % s]} == wanted
        assert sum(direction.count(a) for a in range(len(direction.phases))) == direction.result


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("registers", [16, 32])
def test_tiles_fit_the_registers_and_waste_little(registers: int, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simd, "vector_registers", lambda: registers)
    lanes = simd.lanes(dtype)
    for width in range(1, 8 * lanes):
        shape = _plan.choose_tile.__wrapped__(width, np.dtype(dtype))  # nothing remembered of other machines
        assert shape.rows * shape.vecs + shape.vecs + 1 <= registers  # accumulators, weights, one broadcast
        assert shape.rows * shape.vecs >= 8  # fewer would wait for each other
        padded = -(-width // shape.width) * shape.width
        assert padded < width + 3 * lanes  # less than the widest tile
        if width % lanes == 0 and width <= 3 * lanes:
            assert padded == width


@given(conv_geometries(), st.booleans(), st.integers(1, 60), st.integers(64, 4000))
def test_work_items_cover_all_rows_within_the_limits(
    g: ConvGeometry, gradient: bool, pixels: int, block_bytes: int
) -> None:
    row, column = directions(g, gradient=gradient)
    strip = _plan.cut(row, column, g.batch, g.channels, 4, Limits(block_bytes, pixels, pixels))
    bytes_of_item = strip.images * strip.height * strip.width * strip.pixel * 4 if strip.copied else 0
    assert 1 <= strip.images <= max(1, g.batch)
    assert 1 <= strip.rows <= row.positions
    assert strip.images == 1 or strip.rows == row.positions  # whole images are joined, strips are not
    if strip.images > 1:
        assert strip.images * strip.rows * column.positions <= pixels
        assert bytes_of_item <= block_bytes
    if strip.rows < row.positions:  # no window of a 2x2 pooling is cut: one row more than the limits, or two rows
        assert strip.rows % 2 == 0
        bytes_of_row = row.step * strip.width * strip.pixel * 4 if strip.copied else 0
        assert strip.rows == 2 or (strip.rows - 1) * column.positions <= pixels
        assert strip.rows == 2 or bytes_of_item - bytes_of_row <= block_bytes
    if not strip.copied:
        assert min(row.low, column.low) >= 0
        assert (strip.height, strip.width, strip.pixel) == (row.source, column.source, g.channels)


def test_limits_shape_the_work_items() -> None:
    row, column = directions(ConvGeometry(9, (32, 32), 16, (3, 3), 16, padding=(1, 1)), gradient=False)
    block = 34 * 34 * 16 * 4  # an image with its padding
    whole = _plan.cut(row, column, 9, 16, 4, Limits(3 * block, 10000, 10000))
    assert whole == (3, 32, True, 34, 34, 16)
    assert _plan.cut(row, column, 2, 16, 4, Limits(3 * block, 10000, 10000)).images == 2
    assert _plan.cut(row, column, 9, 16, 4, Limits(3 * block, 1023, 10000)).images == 1
    half = _plan.cut(row, column, 9, 16, 4, Limits(block - 1, 10000, 10000))  # 31 rows would fit; two equal strips
    assert (half.images, half.rows, half.height) == (1, 16, 18)
    assert _plan.cut(row, column, 9, 16, 4, Limits(1, 1, 1)).rows == 2


def test_a_pixel_that_would_meet_itself_in_the_cache_gets_a_gap() -> None:
    row, column = directions(ConvGeometry(1, (8, 8), 512, (3, 3), 16, padding=(1, 1)), gradient=False)
    assert _plan.cut(row, column, 1, 512, 4, FREE).pixel == 512 + 16
    assert _plan.cut(row, column, 1, 256, 8, FREE).pixel == 256 + 8
    assert _plan.cut(row, column, 1, 511, 4, FREE).pixel == 511


def test_images_that_need_no_padding_are_read_in_place_unless_asked() -> None:
    row, column = directions(ConvGeometry(1, (8, 9), 4, (3, 3), 16), gradient=False)
    assert not _plan.cut(row, column, 1, 4, 4, FREE).copied
    assert _plan.cut(row, column, 1, 4, 4, FREE._replace(copy=True)).copied


def test_a_kernel_row_is_walked_at_once_where_its_taps_are_neighbours() -> None:
    def runs(g: ConvGeometry) -> tuple[list[int], list[int], bool]:
        row, column = directions(g, gradient=False)
        strip = _plan.cut(row, column, g.batch, g.channels, 4, FREE)
        plan = _plan.plan(row, column, strip, g.batch, g.channels // g.groups, g.filters, 6)
        return plan.runs.tolist(), plan.taps.tolist(), bool(plan.pieces[0, 0, 5])

    # Rows of 9 pixels of 2 channels: kernel rows begin 18 apart, their taps 2.
    assert runs(ConvGeometry(1, (8, 9), 2, (2, 3), 5)) == ([0, 2, 4, 18, 20, 22], [0, 1, 2, 3, 4, 5], True)
    # Dilation leaves gaps between the taps, groups leave gaps between their channels.
    assert runs(ConvGeometry(1, (8, 9), 2, (1, 3), 5, dilation=(1, 2))) == ([0, 4, 8], [0, 1, 2], False)
    assert runs(ConvGeometry(1, (8, 9), 2, (1, 3), 4, groups=2)) == ([0, 2, 4], [0, 1, 2], False)


@given(conv_geometries(), st.booleans(), st.integers(1, 60), st.integers(64, 4000))
def test_the_tables_walk_the_convolution(g: ConvGeometry, gradient: bool, pixels: int, block_bytes: int) -> None:
    """Every result pixel is written by exactly one phase and reads its taps where the formula says."""
    row, column = directions(g, gradient=gradient)
    strip = _plan.cut(row, column, g.batch, g.channels, 4, Limits(block_bytes, pixels, pixels))
    group, results, rows = g.channels // g.groups, 3, 4
    plan = _plan.plan(row, column, strip, g.batch, group, results, rows)
    strips = -(-row.positions // strip.rows)
    items = -(-g.batch // strip.images) * strips
    written: list[int] = []
    for item in range(items):
        last = item == items - 1 if strips == 1 else item % strips == strips - 1
        base = (item // strips * strip.images * row.result + item % strips * strip.rows * row.spread) * column.result
        for phase, (first, behind, *_) in enumerate(plan.pieces[int(last)]):
            a, b = divmod(phase, len(column.phases))
            of_piece = (base + plan.result[first * rows : behind * rows] // results).tolist()
            whole = len(set(of_piece))
            assert set(of_piece[whole:]) <= {of_piece[whole - 1]} if whole else not of_piece
            assert len(of_piece) < whole + rows  # the last tile may be short: it has its last pixel again
            for pixel in of_piece[:whole]:
                written.append(pixel)
                assert pixel // column.result % row.result % row.spread == a
                assert pixel % column.result % column.spread == b
    assert sorted(written) == list(range(g.batch * row.result * column.result))


@given(conv_geometries(), st.booleans())
def test_the_runs_of_each_phase_hold_its_taps(g: ConvGeometry, gradient: bool) -> None:
    row, column = directions(g, gradient=gradient)
    strip = _plan.cut(row, column, 1, g.channels, 4, FREE)
    group = g.channels // g.groups
    plan = _plan.plan(row, column, strip, 1, group, 1, 4)
    top, left = (row.low, column.low) if strip.copied else (0, 0)
    for piece, (row_taps, column_taps) in zip(plan.pieces[0], product(row.phases, column.phases), strict=True):
        _, _, first, rows_of_taps, taps, joined = (int(number) for number in piece)
        assert (rows_of_taps, taps) == (len(row_taps), len(column_taps))
        assert bool(joined) == (group == strip.pixel and all(q[0] == p[0] + 1 for p, q in pairwise(column_taps)))
        of_phase = slice(first, first + rows_of_taps * taps)
        at = list(zip(plan.runs[of_phase].tolist(), plan.taps[of_phase].tolist(), strict=True))
        wanted = [
            (((r - top) * strip.width + c - left) * strip.pixel, u * g.kernel[1] + v)
            for r, u in row_taps
            for c, v in column_taps
        ]
        assert at == wanted


def test_a_tile_knows_the_taps_it_needs() -> None:
    """Two images of 3 x 2 pixels: columns 0 and 1 need one tap less than three each, rows 0 and 2 likewise."""
    row = _plan.forward_direction(3, 3, 3, 1, 1, 1)
    column = _plan.forward_direction(2, 2, 3, 1, 1, 1)
    strip = _plan.cut(row, column, 2, 1, 4, Limits(1 << 20, 64, 64))
    plan = _plan.plan(row, column, strip, 2, 1, 1, 4)
    # Of both images pixel (2, 1), then (2, 0); (1, 1), (1, 0); (0, 1), (0, 0).
    np.testing.assert_array_equal(plan.result[:12], [5, 11, 4, 10, 3, 9, 2, 8, 1, 7, 0, 6])
    np.testing.assert_array_equal(plan.windows[0, :3], [[0, 2, 0, 3], [0, 3, 0, 3], [1, 3, 0, 3]])
    pairs = _plan.plan(row, column, strip, 2, 1, 1, 2)
    np.testing.assert_array_equal(pairs.windows[0, :3], [[0, 2, 0, 2], [0, 2, 1, 3], [0, 3, 0, 2]])


@given(conv_geometries(), st.booleans(), st.integers(1, 60), st.integers(1, 6))
def test_tiles_leave_out_no_tap_inside_and_hold_some_pixel_for_each_end(
    g: ConvGeometry, gradient: bool, pixels: int, rows: int
) -> None:
    row, column = directions(g, gradient=gradient)
    strip = _plan.cut(row, column, g.batch, g.channels, 4, Limits(1 << 20, pixels, pixels))
    plan = _plan.plan(row, column, strip, g.batch, 1, 1, rows)
    last = plan.windows.shape[0] - 1
    for (strip_number, variant), phase in product([(0, 0), (last, 1)], range(plan.pieces.shape[1])):
        first, behind, *_ = plan.pieces[variant, phase]
        a, b = divmod(phase, len(column.phases))
        for tile in range(first, behind):
            at = plan.result[tile * rows : (tile + 1) * rows]
            i = at // column.result % row.result // row.spread + strip_number * strip.rows
            j = at % column.result // column.spread
            wanted = []
            for direction, taps, positions in ((row, row.phases[a], i), (column, column.phases[b], j)):
                shifts = [shift for shift, _ in taps]
                start = positions[:, None] * direction.step + np.array(shifts, np.int64)
                wanted += [(start < 0).sum(1).min(), (start < direction.source).sum(1).max()]
            np.testing.assert_array_equal(plan.windows[strip_number, tile], wanted)

"""Padded blocks: each must be the piece of the zero-padded image that the work item needs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scratchconv.kernels._jit import inner, kernel
from scratchconv.kernels.conv2d import _block, _plan
from scratchconv.kernels.conv2d._source import plain
from tests.kernels.conv2d.test_plan import directions
from tests.strategies import ConvGeometry, conv_geometries


@kernel
def fill(source, g, item, block, at):
    _block.fill_block(source, g, item, block, at)


@kernel
def describe_item(g, item):
    where = (_block.images_of(g, item), _block.is_last(g, item), _block.result_offset(g, item))
    return _block.work_items(g), _block.block_size(g), where


def blocks(g: ConvGeometry, x: np.ndarray, limits: _plan.Limits, *, gradient: bool) -> _block.Block:
    row, column = directions(g, gradient=gradient)
    result = (g.batch, *(g.size if gradient else g.out), 5)
    strip = _plan.cut(row, column, g.batch, x.shape[3], 4, limits)
    return _block.describe(x.shape, result, strip, row, column)


@given(conv_geometries(), st.booleans(), st.integers(1, 60), st.integers(64, 4000))
def test_a_block_is_a_piece_of_the_padded_image(g: ConvGeometry, gradient: bool, pixels: int, block_bytes: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((g.batch, *(g.out if gradient else g.size), g.channels)).astype(np.float32)
    block = blocks(g, x, _plan.Limits(block_bytes, pixels, pixels, copy=True), gradient=gradient)
    far = 60  # more than any block reaches beyond an image here
    padded = np.pad(x, ((0, 0), (far, far), (far, far), (0, 0)))
    items, size, _ = describe_item(block, 0)
    images_seen = 0
    for item in range(items):
        images, last, _ = describe_item(block, item)[2]
        memory = np.full(size + 3, np.nan, np.float32)
        fill(plain(x), block, item, memory, 3)
        assert np.isnan(memory[:3]).all()
        memory = memory[3:]
        first, strip = item // block.strips * block.images, item % block.strips
        top, left = far + block.top + strip * block.rows * block.step, far + block.left
        wanted = padded[first : first + images, top : top + block.height, left : left + block.width]
        assert wanted.shape == (images, block.height, block.width, g.channels)
        np.testing.assert_array_equal(memory[: wanted.size], wanted.ravel())
        assert np.isnan(memory[wanted.size :]).all()  # nothing written beyond
        assert last == (strip == block.strips - 1 if block.strips > 1 else item == items - 1)
        images_seen += images
    assert images_seen == g.batch * block.strips


def test_pixels_with_a_gap_are_copied_one_by_one() -> None:
    g = ConvGeometry(1, (2, 3), 512, (2, 2), 4, padding=(1, 1))
    x = np.random.default_rng(0).standard_normal((1, 2, 3, 512)).astype(np.float32)
    block = blocks(g, x, _plan.Limits(1 << 20, 256, 1 << 20), gradient=False)
    assert block.pixel == 528
    memory = np.full(describe_item(block, 0)[1], np.nan, np.float32)
    fill(plain(x), block, 0, memory, 0)
    pixels = memory[: 4 * 5 * 528].reshape(4, 5, 528)[..., :512]
    np.testing.assert_array_equal(pixels, np.pad(x[0], ((1, 1), (1, 1), (0, 0))))


def test_where_results_of_work_items_begin() -> None:
    g = ConvGeometry(4, (8, 6), 2, (3, 3), 5, padding=(1, 1))
    x = np.zeros((4, 8, 6, 2), np.float32)
    strips = blocks(g, x, _plan.Limits(1 << 20, 1, 12), gradient=False)  # two rows each
    assert describe_item(strips, 0)[0] == _block.count_items(strips) == 16
    assert describe_item(strips, 6)[2] == (1, 0, (8 + 2 * 2) * 6 * 5)  # second image, third strip
    joined = blocks(g, x, _plan.Limits(1 << 20, 150, 1000), gradient=False)  # three images, then one
    assert describe_item(joined, 0)[0] == _block.count_items(joined) == 2
    assert describe_item(joined, 0)[2] == (3, 0, 0)
    assert describe_item(joined, 1)[2] == (1, 1, 3 * 8 * 6 * 5)


@inner
def first_number(source, g, item, block):
    """Only a function that counts no references may be given an array by one."""
    array, at = _block.place(source, g, item, block)
    return array[at]


@kernel
def rows_and_place(source, g, item, block):
    return _block.rows_of(g, item), _block.result_rows_of(g, item), first_number(source, g, item, block)


def test_a_source_is_read_in_place_where_no_tap_leaves_it() -> None:
    g = ConvGeometry(2, (8, 6), 2, (3, 3), 5)
    x = np.arange(1, 2 * 8 * 6 * 2 + 1, dtype=np.float32).reshape(2, 8, 6, 2)
    block = blocks(g, x, _plan.Limits(1 << 20, 1, 8), gradient=False)  # strips of two rows
    assert not block.copied
    assert rows_and_place(plain(x), block, 4, np.zeros(1, np.float32)) == (2, 2, x[1, 2, 0, 0])
    copied = blocks(g, x, _plan.Limits(1 << 20, 1, 8, copy=True), gradient=False)
    assert rows_and_place(plain(x), copied, 4, np.zeros(999, np.float32)) == (2, 2, x[1, 2, 0, 0])


def test_rows_of_a_work_item_with_phases() -> None:
    """Five rows in two phases of three and two: strips of two rows of a phase are four rows of the result, then one."""
    g = ConvGeometry(1, (5, 6), 2, (3, 3), 5, stride=(2, 2), padding=(1, 1))
    dy = np.ones((1, *g.out, 2), np.float32)
    block = blocks(g, dy, _plan.Limits(1 << 20, 1, 1), gradient=True)
    assert (block.spread, block.strips, block.rows) == (2, 2, 2)
    assert [rows_and_place(plain(dy), block, item, np.zeros(999, np.float32))[1] for item in (0, 1)] == [4, 1]

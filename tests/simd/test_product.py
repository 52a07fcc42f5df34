"""Products of register tiles: the compiled form, the plain-Python form and NumPy agree; see test_vector.py."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv import simd
from scratchconv.kernels._jit import kernel
from tests.simd.test_tile import BASE, dtypes, room, rows_at, scattered, tiles, whole_numbers
from tests.simd.test_vector import GUARD, forms


@kernel
def accumulate(shape, x, w, step, table, y):
    """Tile 0: numbers times vectors; tile 1: vectors times vectors; each over five steps from a first tile of w.

    Tile 2: as tile 0, the vectors of w taken in the reverse order.
    """
    offsets = simd.row_offsets(shape, table, 1)
    outer = simd.spread(shape, w, 0)
    lanes = simd.spread(shape, w, 0)
    apart = simd.spread(shape, w, 0)
    for k in range(5):
        outer = simd.outer_fma(outer, x, BASE + k, offsets, w, k * step)
        lanes = simd.lane_fma(lanes, x, BASE + k, offsets, w, k * step)
        last = k * step + shape.width - shape.lanes
        apart = simd.outer_fma_apart(apart, x, BASE + k, offsets, w, last, -shape.lanes)
    simd.tile_store(apart, y[2], BASE, offsets)
    simd.tile_store(outer, y[0], BASE, offsets)
    simd.tile_store(lanes, y[1], BASE, offsets)


@tiles
@dtypes
def test_products_accumulate(rows: int, vecs: int, dtype: type) -> None:
    shape = simd.TileShape(rows, vecs, dtype)
    width, table = shape.width, scattered(shape)
    x, w = whole_numbers(1, room(shape) + 8, dtype), whole_numbers(2, 5 * (width + 1), dtype)
    starts = BASE + table[1:]
    vectors = [w[k * (width + 1) :][:width] for k in range(5)]
    outer = w[:width] + sum(np.outer(x[starts + k], vectors[k]) for k in range(5))
    turned = [row.reshape(vecs, -1)[::-1].reshape(-1) for row in vectors]
    apart = w[:width] + sum(np.outer(x[starts + k], turned[k]) for k in range(5))
    lanes = w[:width] + sum(x[(starts + k)[:, None] + np.arange(width)] * vectors[k] for k in range(5))
    for program in forms(accumulate):
        y = np.full((3, room(shape)), GUARD, dtype)
        program(shape, x, w, width + 1, table, y)
        np.testing.assert_array_equal(rows_at(y[0], table, width), outer)
        np.testing.assert_array_equal(rows_at(y[1], table, width), lanes)
        np.testing.assert_array_equal(rows_at(y[2], table, width), apart)


@kernel
def one_product(shape, x, w, table, y):
    offsets = simd.row_offsets(shape, table, 0)
    acc = simd.spread(shape, w, shape.width)
    simd.tile_store(simd.outer_fma(acc, x, 0, offsets, w, 0), y, 0, offsets)


def test_a_product_rounds_once() -> None:
    shape = simd.TileShape(1, 3, np.float32)
    eps = np.finfo(np.float32).eps
    x = np.full(1, 1 + eps, np.float32)
    w = np.repeat(np.array([1 - eps, -1], np.float32), shape.width)
    for program in forms(one_product):
        y = np.full(shape.width, GUARD, np.float32)
        program(shape, x, w, np.zeros(1, np.int64), y)
        np.testing.assert_array_equal(y, np.float32(-(eps**2)))  # (1 + e)(1 - e) - 1; two roundings give 0


@kernel
def kernel_row(shape, x, xi, step, w, wi, w_step, table, y):
    acc = simd.spread(shape, w, 0)
    acc = simd.outer_fma_row(shape, acc, x, xi, step, w, wi, w_step)
    simd.tile_store(acc, y, BASE, simd.row_offsets(shape, table, 1))


@dtypes
@pytest.mark.parametrize(("rows", "taps"), [(5, 3), (2, 4)])
def test_a_kernel_row_is_its_products_one_by_one(rows: int, taps: int, dtype: type) -> None:
    shape = simd.TileShape(rows, 1, dtype, taps)
    table, width = scattered(shape), shape.width
    x, w = whole_numbers(1, 60, dtype), whole_numbers(2, 200, dtype)
    for program in forms(kernel_row):
        for step in (1, 3):
            y = np.full(room(shape), GUARD, dtype)
            program(shape, x, 2, step, w, 5, width + 1, table, y)
            for r in range(rows):
                taken = [x[2 + (r + k) * step] * w[5 + k * (width + 1) :][:width] for k in range(taps)]
                np.testing.assert_array_equal(y[BASE + table[1 + r] :][:width], w[:width] + sum(taken))


@kernel
def several_pixels(shape, several, x, xi, line, g, table, y):
    acc = simd.spread(shape, g, 0)
    held = simd.tile_load(several, g, 3, simd.grid_offsets(several, 1, shape.width + 1, 0))
    acc = simd.outer_fma_pixels(shape, several, acc, x, xi, line, held)
    simd.tile_store(acc, y, BASE, simd.row_offsets(shape, table, 1))


@dtypes
@pytest.mark.parametrize(
    ("runs", "taps", "step", "pixels", "vecs"), [(3, 4, 1, 3, 1), (2, 3, 2, 4, 2), (1, 2, 3, 2, 1)]
)
def test_several_pixels_are_their_products_one_by_one(
    runs: int, taps: int, step: int, pixels: int, vecs: int, dtype: type
) -> None:
    """Windows that overlap by most of their numbers, by one, and not at all."""
    shape, several = simd.TileShape(runs * taps, vecs, dtype, taps), simd.TileShape(pixels, vecs, dtype, step)
    table, width, line = scattered(shape), shape.width, 17
    x, g = whole_numbers(1, 60, dtype), whole_numbers(2, 5 * (width + 1), dtype)
    for program in forms(several_pixels):
        y = np.full(room(shape), GUARD, dtype)
        program(shape, several, x, 2, line, g, table, y)
        for r in range(shape.rows):
            at = 2 + r // taps * line + r % taps
            terms = [x[at + p * step] * g[3 + p * (width + 1) :][:width] for p in range(pixels)]
            np.testing.assert_array_equal(y[BASE + table[1 + r] :][:width], g[:width] + sum(terms))


@kernel
def lane_row(shape, x, xi, step, w, wi, w_step, table, y):
    acc = simd.spread(shape, w, 0)
    acc = simd.lane_fma_row(shape, acc, x, xi, step, w, wi, w_step)
    simd.tile_store(acc, y, BASE, simd.row_offsets(shape, table, 1))


@dtypes
@pytest.mark.parametrize(("rows", "vecs", "taps"), [(5, 1, 3), (2, 2, 4), (3, 2, 1)])
def test_a_kernel_row_lane_by_lane(rows: int, vecs: int, taps: int, dtype: type) -> None:
    shape = simd.TileShape(rows, vecs, dtype, taps)
    table, width = scattered(shape), shape.width
    x, w = whole_numbers(1, 12 * (width + 3), dtype), whole_numbers(2, 5 * (width + 1) + 5, dtype)
    for program in forms(lane_row):
        for step in (width + 2, 7):
            y = np.full(room(shape), GUARD, dtype)
            program(shape, x, 2, step, w, 5, width + 1, table, y)
            for r in range(rows):
                taken = [x[2 + (r + k) * step :][:width] * w[5 + k * (width + 1) :][:width] for k in range(taps)]
                np.testing.assert_array_equal(y[BASE + table[1 + r] :][:width], w[:width] + sum(taken))


@kernel
def combine(shape, x, table, y, row):
    offsets = simd.row_offsets(shape, table, 1)
    a, b = simd.tile_load(shape, x, BASE, offsets), simd.tile_load(shape, x, BASE + 1, offsets)
    simd.tile_store(a + b, y[0], BASE, offsets)
    simd.tile_store(a - b, y[1], BASE, offsets)
    simd.tile_store(a * b, y[2], BASE, offsets)
    simd.tile_store(simd.column_sums(a), row, 0, (0,))


@tiles
@dtypes
def test_tiles_add_subtract_multiply_and_sum_their_rows(rows: int, vecs: int, dtype: type) -> None:
    shape = simd.TileShape(rows, vecs, dtype)
    table, width = scattered(shape), shape.width
    x = np.random.default_rng(3).standard_normal(room(shape) + 1).astype(dtype)
    a, b = rows_at(x, table, width), rows_at(x[1:], table, width)
    pairs = list(a)
    while len(pairs) > 1:  # neighbours first: a fixed tree, so equal bits
        odd = pairs[-1:] if len(pairs) % 2 else []
        pairs = [left + right for left, right in zip(pairs[0::2], pairs[1::2], strict=False)] + odd
    for program in forms(combine):
        y, row = np.full((3, room(shape)), GUARD, dtype), np.full(width + 2, GUARD, dtype)
        program(shape, x, table, y, row)
        for tile, wanted in zip(y, (a + b, a - b, a * b), strict=True):
            np.testing.assert_array_equal(rows_at(tile, table, width), wanted)
        np.testing.assert_array_equal(row, [*pairs[0], GUARD, GUARD])

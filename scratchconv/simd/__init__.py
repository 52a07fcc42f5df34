"""A vector and a register tile for Numba, which has neither.

Addresses are (array, flat offset): any C-contiguous float32 or float64 array, and the number of elements from the
start of its memory. All functions work inside compiled kernels and as plain Python (``NUMBA_DISABLE_JIT=1``).

Vector
    ``load(x, i)``, ``store(x, i, v)``, ``load_partial(x, i, n)``, ``store_partial(x, i, v, n)``, ``splat(x, number)``
    (dtype of array x), ``lanes_of(x)``; ``+ - * /`` between vectors, ``fma(a, b, c)``, ``square_root``, ``absolute``,
    ``sum_lanes(v)``, ``maximum`` and ``minimum`` (the second argument wins ties and NaN); comparisons
    ``< <= > >= == !=`` give a mask, masks combine with ``& | ^``, ``select(mask, a, b)`` applies one.
Tile
    ``TileShape(rows, vecs, dtype)`` passed as an argument fixes the shape at compile time; ``zeros(shape)``,
    ``spread(shape, w, wi)``, ``row_offsets(shape, table, i)``, ``tile_load``, ``tile_store``, their ``_partial`` forms
    and ``tile_stream``, ``outer_fma`` (numbers times vectors), ``outer_fma_row`` and ``outer_fma_pixels`` (one
    broadcast feeds several taps), ``lane_fma`` (vectors times vectors), ``lane_fma_row``, ``column_sums``,
    ``transpose``; ``+ - *`` between tiles.
Tasks
    ``run_tasks(body, count, *arguments)`` calls ``body(i, *arguments)`` for each i, on all threads.
Hints
    ``prefetch(x, i)``, ``prefetch_write(x, i)``, ``stream(x, i, v)`` (a store past the caches), ``settle()`` after such
    stores; ``opaque(i)``, ``keep_apart()`` for the compiler.
Memory
    ``address_of(x)``; ``memory_at(x, address, size)``, an array of the dtype of array x at an address.
Transforms
    ``Transform(left, right, dtype)``, two constant matrices; ``transform(t, tile)`` = left X rightᵀ in every lane;
    ``grid_offsets(shape, columns, row_step, column_step)``, the offsets of a tile that is a grid of pixels;
    ``transform_grid``, from grid to grid in memory.
CPU
    ``lanes(dtype)``, ``vector_bytes()``, ``vector_registers()``, ``cache_bytes(level)``.
"""

from scratchconv.simd._address import address_of, memory_at
from scratchconv.simd._cpu import cache_bytes, lanes, vector_bytes, vector_registers
from scratchconv.simd._hints import keep_apart, opaque, prefetch, prefetch_write, settle, stream
from scratchconv.simd._product import (
    column_sums,
    lane_fma,
    lane_fma_row,
    outer_fma,
    outer_fma_apart,
    outer_fma_pixels,
    outer_fma_row,
)
from scratchconv.simd._tasks import run_tasks
from scratchconv.simd._tile import (
    row_offsets,
    spread,
    tile_load,
    tile_load_partial,
    tile_store,
    tile_store_partial,
    tile_stream,
    zeros,
)
from scratchconv.simd._transform import Transform, grid_offsets, transform, transform_grid
from scratchconv.simd._transpose import transpose
from scratchconv.simd._types import TileShape, without_data
from scratchconv.simd._vector import (
    absolute,
    fma,
    lanes_of,
    load,
    load_partial,
    maximum,
    minimum,
    select,
    splat,
    square_root,
    store,
    store_partial,
    sum_lanes,
)

__all__ = [
    "TileShape",
    "Transform",
    "absolute",
    "address_of",
    "cache_bytes",
    "column_sums",
    "fma",
    "grid_offsets",
    "keep_apart",
    "lane_fma",
    "lane_fma_row",
    "lanes",
    "lanes_of",
    "load",
    "load_partial",
    "maximum",
    "memory_at",
    "minimum",
    "opaque",
    "outer_fma",
    "outer_fma_apart",
    "outer_fma_pixels",
    "outer_fma_row",
    "prefetch",
    "prefetch_write",
    "row_offsets",
    "run_tasks",
    "select",
    "settle",
    "splat",
    "spread",
    "square_root",
    "store",
    "store_partial",
    "stream",
    "sum_lanes",
    "tile_load",
    "tile_load_partial",
    "tile_store",
    "tile_store_partial",
    "tile_stream",
    "transform",
    "transform_grid",
    "transpose",
    "vector_bytes",
    "vector_registers",
    "without_data",
    "zeros",
]

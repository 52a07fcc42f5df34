"""Matrix product by register tiles: outer products accumulate while the depth runs.

    matmul(a, b, transpose_a, transpose_b, out)             out = a b
    matmul_bias(a, b, transpose_a, transpose_b, bias, out)  out = a b + bias

All arrays C-contiguous, of one dtype; shapes as in naive. vs naive: sums in the arrays' dtype, one chain of fused
multiply-adds per block of DEPTH, blocks added in order; any number of threads gives equal bits.
Source: Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication, ACM TOMS 34(3), 2008, section 4,
without its packing of a: rows of a are read in place unless a is transposed.
"""

from __future__ import annotations

import numpy as np

from scratchconv import simd
from scratchconv.kernels._jit import helper, threaded_kernel

DEPTH = 256  # products in one chain: a packed panel then takes half of a first-level cache
ROWS = 252  # rows of a that share a packed panel: whole tiles of 6 and of 14 rows, and a second-level cache at DEPTH
SMALL = 1 << 21  # multiply-adds below which threads cost more than they save
PIECES = 16  # tasks wanted when the work is shared out

# Accumulators, one vector of b and a broadcast number have to fit the registers: 6 x 2 of 16, 14 x 2 of 32.
_TILE_ROWS = 14 if simd.vector_registers() == 32 else 6
_TILES = {dtype: simd.TileShape(_TILE_ROWS, 2, dtype) for dtype in (np.dtype(np.float32), np.dtype(np.float64))}


def matmul(a, b, transpose_a, transpose_b, out):
    """out[m,n] = sum_k a[m,k] * b[k,n]; see naive. Owns, Cost: as matmul_bias."""
    matmul_bias(a, b, transpose_a, transpose_b, np.zeros(out.shape[1], out.dtype), out)


def matmul_bias(a, b, transpose_a, transpose_b, bias, out):
    """out[m,n] = bias[n] + sum_k a[m,k] * b[k,n]; see naive.

    Owns: a task owns a rectangle of out, or one chunk of the depth in its own scratch.
    Cost: 2*M*N*K flop; a is read N / width times (from cache), b and out K / DEPTH times.
    """
    depth = a.shape[0] if transpose_a else a.shape[1]
    if out.size == 0:
        return
    operands = (a.reshape(-1), b.reshape(-1), bias, out.reshape(-1))
    _multiply(_TILES[out.dtype], *operands, out.shape[0], out.shape[1], depth, transpose_a, transpose_b)


@threaded_kernel
def _multiply(shape, a, b, bias, out, rows, columns, depth, transpose_a, transpose_b):
    """matmul_bias on flat memory: the work is cut into row blocks, groups of panels, and chunks of the depth."""
    panels = (columns + shape.width - 1) // shape.width
    row_blocks, groups, chunks = (rows + ROWS - 1) // ROWS, 1, 1
    if rows * columns * depth > SMALL:
        groups = min(panels, (PIECES + row_blocks - 1) // row_blocks)
        if row_blocks * groups < PIECES // 4:
            chunks = min(PIECES // 2, (depth + 8 * DEPTH - 1) // (8 * DEPTH))
    target = out if chunks == 1 else np.empty(chunks * out.size, out.dtype)
    sizes = (rows, columns, depth, panels, groups, row_blocks, chunks)
    tasks = groups * row_blocks * chunks
    simd.run_tasks(_rectangle, tasks, shape, a, b, bias, target, sizes, transpose_a, transpose_b)
    if chunks > 1:
        _add_chunks(target, chunks, out)


@helper
def _add_chunks(partial, chunks, out):
    for i in range(out.size):
        total = partial[i]
        for c in range(1, chunks):
            total += partial[c * out.size + i]
        out[i] = total


@helper
def _rectangle(task, shape, a, b, bias, out, sizes, transpose_a, transpose_b):
    """One task: some rows of out, some panels of its columns, one chunk of the depth (and that chunk's own out)."""
    rows, columns, depth, panels, groups, row_blocks, chunks = sizes
    group, block, chunk = task % groups, task // groups % row_blocks, task // (groups * row_blocks)
    top, bottom = block * ROWS, min(rows, (block + 1) * ROWS)
    high = (chunk + 1) * depth // chunks
    tiles = (bottom - top + shape.rows - 1) // shape.rows
    tables = _row_tables(shape, bottom - top, 1 if transpose_a else depth, columns)
    panel, start = np.empty(DEPTH * shape.width, out.dtype), np.zeros(shape.width, out.dtype)
    source, step, tile_step, first = a, 1, shape.rows * depth, top * depth
    if transpose_a:
        source, step, tile_step = np.empty(tiles * _strip_size(shape), out.dtype), shape.rows, _strip_size(shape)
    low, fresh = chunk * depth // chunks, True
    while low < high or fresh:  # once even if there is no depth: out = bias
        count = min(DEPTH, high - low)
        if transpose_a:
            first = 0
            _pack_strip(shape, a, top, bottom, rows, low, count, source)
        else:
            first = top * depth + low
        for p in range(group * panels // groups, (group + 1) * panels // groups):
            column = p * shape.width
            valid = min(shape.width, columns - column)
            _pack_panel(shape, b, column, columns, low, count, depth, transpose_b, panel)
            for v in range(0, shape.width, shape.lanes):
                n = valid - v if chunk == 0 else np.int64(0)  # only one chunk brings the bias
                simd.store(start, v, simd.load_partial(bias, column + v, n))
            to = chunk * rows * columns + top * columns + column
            walk = (first, tile_step, step, count, to, shape.rows * columns, valid)
            _column_of_tiles(shape, source, panel, start, fresh, out, tiles, walk, tables)
        low, fresh = low + DEPTH, False


@helper
def _row_tables(shape, rows, a_step, out_step):
    """Offsets of a tile's rows in a and in out: for whole tiles, then for the last one.

    The last tile may have fewer rows than its shape: the missing ones repeat its last row, and all store equal numbers.
    """
    tables = np.empty((2, 2 * shape.rows), np.int64)
    remaining = rows - (rows - 1) // shape.rows * shape.rows
    for r in range(shape.rows):
        clamped = min(r, remaining - 1)
        tables[0, r], tables[0, shape.rows + r] = r * a_step, clamped * a_step
        tables[1, r], tables[1, shape.rows + r] = r * out_step, clamped * out_step
    return tables


@helper
def _pack_strip(shape, a, top, bottom, rows, block, count, strip):
    """Rows top:bottom of a transposed a, tile after tile: strip[tile, k, row of tile].

    Whole vectors are stored; what one writes beyond its tile's rows, the next k overwrites.
    """
    for k in range(count):
        source = (block + k) * rows
        to = k * shape.rows
        for m in range(top, bottom, shape.rows):
            for v in range(0, shape.rows, shape.lanes):
                simd.store(strip, to + v, simd.load_partial(a, source + m + v, bottom - m - v))
            to += _strip_size(shape)


@helper
def _strip_size(shape):
    """Elements of one tile in the strip, room for the last whole vector included."""
    return (DEPTH + shape.lanes) * shape.rows


@helper
def _pack_panel(shape, b, column, columns, block, count, depth, transpose_b, panel):
    """Columns column : column + width of b, row after row, zeros beyond its last column."""
    width = shape.width
    valid = min(width, columns - column)
    if transpose_b:
        for n in range(width):
            if n < valid:
                source = (column + n) * depth + block
                for k in range(count):
                    panel[k * width + n] = b[source + k]
            else:
                for k in range(count):
                    panel[k * width + n] = 0.0
        return
    for k in range(count):
        source = (block + k) * columns + column
        for v in range(0, width, shape.lanes):
            simd.store(panel, k * width + v, simd.load_partial(b, source + v, valid - v))


@helper
def _column_of_tiles(shape, a, panel, start, fresh, out, tiles, walk, tables):
    """All tiles of one panel: out = start + a panel if this is the first block of the depth, else out += a panel."""
    first, tile_step, step, count, to, out_step, valid = walk
    for tile in range(tiles):
        entry = shape.rows if tile == tiles - 1 else 0
        offsets = simd.row_offsets(shape, tables[1], entry)
        acc = _block_product(shape, a, first, step, simd.row_offsets(shape, tables[0], entry), panel, count)
        if fresh:
            acc = simd.spread(shape, start, 0) + acc
        else:
            acc = simd.tile_load_partial(shape, out, to, offsets, valid) + acc
        simd.tile_store_partial(acc, out, to, offsets, valid)
        first += tile_step
        to += out_step


@helper
def _block_product(shape, a, base, step, offsets, panel, count):
    """Return the tile sum_k a[base + offsets[r] + k * step] * panel[k, :], k < count."""
    acc = simd.zeros(shape)
    for k in range(count):
        acc = simd.outer_fma(acc, a, base + k * step, offsets, panel, k * shape.width)
    return acc

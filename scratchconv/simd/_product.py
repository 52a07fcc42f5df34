"""Arithmetic on register tiles: the outer-product accumulate from which every convolution is made.

As in ``_tile``, row r of an operand lies at ``base + offsets[r]``.
"""

from __future__ import annotations

import operator
from itertools import product
from typing import Any

import numpy as np
from llvmlite import ir

from scratchconv.simd import _codegen as code
from scratchconv.simd._tile import addresses, offset_values, pack, row_vectors, vectors_of
from scratchconv.simd._types import TileShape, TileShapeType, TileType
from scratchconv.simd._vector import _operator, flat


def outer_fma(acc: Any, x: Any, base: int, offsets: tuple[int, ...], w: Any, wi: int) -> Any:
    """``acc[r, v] += x[base + offsets[r]] * w[wi + v * lanes :]``: numbers of x times vectors of w.

    One broadcast load a row and one load a vector feed ``rows * vecs`` fused multiply-adds.
    """
    _, vecs, lanes = acc.shape
    numbers = np.array([flat(x)[base + offset] for offset in offsets], acc.dtype)
    vectors = flat(w)[wi : wi + vecs * lanes].reshape(vecs, lanes)
    return _fma(acc, numbers[:, None, None], vectors[None])


def outer_fma_apart(acc: Any, x: Any, base: int, offsets: tuple[int, ...], w: Any, wi: int, apart: int) -> Any:
    """``outer_fma`` with vectors of w that begin ``apart`` elements from each other: ``w[wi + v * apart :]``."""
    _, vecs, lanes = acc.shape
    vectors = np.concatenate([flat(w)[wi + v * apart :][:lanes] for v in range(vecs)])
    return outer_fma(acc, x, base, offsets, vectors, 0)


def outer_fma_row(shape: TileShape, acc: Any, x: Any, xi: int, step: int, w: Any, wi: int, w_step: int) -> Any:
    """One kernel row: ``acc[r, 0] += sum_k x[xi + (r + k) * step] * w[wi + k * w_step :]``, k < ``shape.taps``.

    The rows are neighbouring pixels, so each number of x is broadcast once and feeds up to ``taps`` of them. ``vecs``
    must be 1: the form for layers with few filters, where plain :func:`outer_fma` is bound by its broadcasts.
    """
    for k in range(shape.taps):
        offsets = tuple((r + k) * step for r in range(shape.rows))
        acc = outer_fma(acc, x, xi, offsets, w, wi + k * w_step)
    return acc


def outer_fma_pixels(shape: TileShape, pixels: TileShape, acc: Any, x: Any, xi: int, line: int, g: Any) -> Any:
    """``acc[r, v] += sum_p x[xi + r // taps * line + r % taps + p * step] * g[p, v]``, all p of the tile ``g``.

    The rows are runs of ``taps = shape.taps`` neighbours, ``line`` apart, and move by ``step = pixels.taps`` from one
    p to the next: a number that several p meet is broadcast once. The form for weight gradients of few channels.
    """
    offsets = tuple(r // shape.taps * line + r % shape.taps for r in range(shape.rows))
    for p, vectors in enumerate(g):
        acc = outer_fma(acc, x, xi + p * pixels.taps, offsets, np.ascontiguousarray(vectors), 0)
    return acc


def lane_fma(acc: Any, x: Any, base: int, offsets: tuple[int, ...], w: Any, wi: int) -> Any:
    """``acc[r, v] += x[base + offsets[r] + v * lanes :] * w[wi + v * lanes :]``: lane by lane (depthwise)."""
    _, vecs, lanes = acc.shape
    xs = np.stack([flat(x)[base + offset :][: vecs * lanes] for offset in offsets]).reshape(acc.shape)
    return _fma(acc, xs, flat(w)[wi : wi + vecs * lanes].reshape(1, vecs, lanes))


def lane_fma_row(shape: TileShape, acc: Any, x: Any, xi: int, step: int, w: Any, wi: int, w_step: int) -> Any:
    """One kernel row: ``acc[r, v] += sum_k x[xi + (r + k) * step + v * lanes :] * w[wi + k * w_step + v * lanes :]``.

    As in :func:`outer_fma_row`, but lane by lane: each vector of x is loaded once and feeds up to ``taps`` rows.
    """
    for k in range(shape.taps):
        offsets = tuple((r + k) * step for r in range(shape.rows))
        acc = lane_fma(acc, x, xi, offsets, w, wi + k * w_step)
    return acc


def _fma(acc: Any, a: Any, b: Any) -> Any:
    wide = np.longdouble if acc.dtype == np.float64 else np.float64
    return (a.astype(wide) * b + acc).astype(acc.dtype)


def column_sums(acc: Any) -> Any:
    """Sum over rows, pairwise in a fixed tree; a tile of one row."""
    rows = list(acc)
    while len(rows) > 1:
        pairs = [rows[i] + rows[i + 1] for i in range(0, len(rows) - 1, 2)]
        rows = pairs + rows[len(pairs) * 2 :]
    return rows[0][None]


# ---------------------------------------------------------------- compiled forms


def _product_type(acc: Any, x: Any, base: Any, offsets: Any, w: Any, wi: Any) -> Any:
    fits = isinstance(acc, TileType) and addresses(acc, x, base, offsets, wi) and code.is_array(w)
    return acc if fits and w.dtype == acc.dtype else None


def _apart_type(acc: Any, x: Any, base: Any, offsets: Any, w: Any, wi: Any, apart: Any) -> Any:
    return _product_type(acc, x, base, offsets, w, wi) if code.are_integers(apart) else None


@code.primitive(outer_fma, _product_type)
def _(builder: ir.IRBuilder, context: Any, sig: Any, *arguments: Any) -> ir.Value:
    return _outer_fma(builder, context, sig, arguments, code.index(sig.return_type.lanes))


@code.primitive(outer_fma_apart, _apart_type)
def _(builder: ir.IRBuilder, context: Any, sig: Any, *arguments: Any) -> ir.Value:
    return _outer_fma(builder, context, sig, arguments[:-1], code.as_index(builder, arguments[-1]))


def _outer_fma(builder: ir.IRBuilder, context: Any, sig: Any, arguments: Any, apart: ir.Value) -> ir.Value:
    """Numbers of x times vectors of w, which are ``apart``."""
    acc, x, base, offsets, w, wi = arguments
    tile = sig.return_type
    first = code.element(builder, context, sig.args[1], x, base)
    start = code.element(builder, context, sig.args[4], w, wi)
    places = [builder.gep(start, [builder.mul(apart, code.index(v))]) for v in range(tile.vecs)]
    weights = [code.load_vector(builder, tile.vector, place) for place in places]
    sums = vectors_of(builder, acc, tile)
    for r, offset in enumerate(offset_values(builder, sig.args[3], offsets)):
        number = code.splat(builder, code.load_scalar(builder, first, offset), tile.lanes)
        for v, weight in enumerate(weights):
            i = r * tile.vecs + v
            sums[i] = code.fma(builder, tile.vector, number, weight, sums[i])
    return pack(builder, context, tile, sums)


def _pixels_type(shape: Any, pixels: Any, acc: Any, x: Any, xi: Any, line: Any, g: Any) -> Any:
    shapes = isinstance(shape, TileShapeType) and shape.tile == acc and isinstance(pixels, TileShapeType)
    fits = shapes and pixels.tile == g and g.vecs == acc.vecs and acc.rows % shape.taps == 0
    return acc if fits and code.is_array(x) and x.dtype == acc.dtype and code.are_integers(xi, line) else None


@code.primitive(outer_fma_pixels, _pixels_type)
def _(
    builder: ir.IRBuilder, context: Any, sig: Any, shape: Any, pixels: Any, acc: Any, x: Any, xi: Any, line: Any, g: Any
) -> ir.Value:
    tile, taps, step = sig.return_type, sig.args[0].taps, sig.args[1].taps
    first, line = code.element(builder, context, sig.args[3], x, xi), code.as_index(builder, line)
    runs = [builder.gep(first, [builder.mul(line, code.index(run))]) for run in range(tile.rows // taps)]
    sums, vectors, count = vectors_of(builder, acc, tile), vectors_of(builder, g, sig.args[6]), sig.args[6].rows
    for element in range(taps + (count - 1) * step):
        meetings = [(element - p * step, p) for p in range(count) if 0 <= element - p * step < taps]
        for run, at in enumerate(runs if meetings else []):  # the runs take turns: their sums wait for nothing
            number = code.splat(builder, code.load_scalar(builder, at, code.index(element)), tile.lanes)
            for (tap, p), v in product(meetings, range(tile.vecs)):
                i = (run * taps + tap) * tile.vecs + v
                total = code.fma(builder, tile.vector, number, vectors[p * tile.vecs + v], sums[i])
                sums[i] = code.hold(builder, tile.vector, total)
    return pack(builder, context, tile, sums)


@code.primitive(lane_fma, _product_type)
def _(
    builder: ir.IRBuilder, context: Any, sig: Any, acc: Any, x: Any, base: Any, offsets: Any, w: Any, wi: Any
) -> ir.Value:
    tile = sig.return_type
    first = code.element(builder, context, sig.args[1], x, base)
    weights = row_vectors(builder, tile, code.element(builder, context, sig.args[4], w, wi))
    sums = vectors_of(builder, acc, tile)
    for r, offset in enumerate(offset_values(builder, sig.args[3], offsets)):
        row = row_vectors(builder, tile, builder.gep(first, [offset]))
        for v, weight in enumerate(weights):
            i = r * tile.vecs + v
            sums[i] = code.fma(builder, tile.vector, row[v], weight, sums[i])
    return pack(builder, context, tile, sums)


def _kernel_row_type(shape: Any, acc: Any, x: Any, xi: Any, step: Any, w: Any, wi: Any, w_step: Any) -> Any:
    fits = isinstance(shape, TileShapeType) and shape.tile == acc
    return acc if fits and code.is_array(x) and code.is_array(w) and code.are_integers(xi, step, wi, w_step) else None


def _broadcast_row_type(shape: Any, acc: Any, x: Any, xi: Any, step: Any, w: Any, wi: Any, w_step: Any) -> Any:
    found = _kernel_row_type(shape, acc, x, xi, step, w, wi, w_step)
    return found if found is not None and shape.vecs == 1 else None


def _kernel_row(builder: ir.IRBuilder, context: Any, sig: Any, arguments: Any, load: Any) -> ir.Value:
    """A kernel row whose pixels ``load`` as one vector, or ``vecs`` of them."""
    _, acc, x, xi, step, w, wi, w_step = arguments
    tile, taps = sig.return_type, sig.args[0].taps
    first = code.element(builder, context, sig.args[2], x, xi)
    taps_start = code.element(builder, context, sig.args[5], w, wi)
    step, w_step = code.as_index(builder, step), code.as_index(builder, w_step)
    weights = [
        row_vectors(builder, tile, builder.gep(taps_start, [builder.mul(w_step, code.index(k))])) for k in range(taps)
    ]
    sums = vectors_of(builder, acc, tile)
    for pixel in range(tile.rows + taps - 1):
        vectors = load(tile, builder.gep(first, [builder.mul(step, code.index(pixel))]))
        for k in range(max(0, pixel - tile.rows + 1), min(taps, pixel + 1)):
            for v, vector in enumerate(vectors):
                i = (pixel - k) * tile.vecs + v
                sums[i] = code.fma(builder, tile.vector, vector, weights[k][v], sums[i])
    return pack(builder, context, tile, sums)


@code.primitive(outer_fma_row, _broadcast_row_type)
def _(builder: ir.IRBuilder, context: Any, sig: Any, *arguments: Any) -> ir.Value:
    def broadcast(tile: Any, at: ir.Value) -> list[ir.Value]:
        return [code.splat(builder, code.load_scalar(builder, at, code.index(0)), tile.lanes)]

    return _kernel_row(builder, context, sig, arguments, broadcast)


@code.primitive(lane_fma_row, _kernel_row_type)
def _(builder: ir.IRBuilder, context: Any, sig: Any, *arguments: Any) -> ir.Value:
    def vectors(tile: Any, at: ir.Value) -> list[ir.Value]:
        return row_vectors(builder, tile, at)

    return _kernel_row(builder, context, sig, arguments, vectors)


def _one_row(acc: Any) -> Any:
    return TileType(acc.dtype, 1, acc.vecs) if isinstance(acc, TileType) else None


@code.primitive(column_sums, _one_row)
def _(builder: ir.IRBuilder, context: Any, sig: Any, acc: ir.Value) -> ir.Value:
    tile = sig.args[0]
    vectors = vectors_of(builder, acc, tile)
    rows = [vectors[r * tile.vecs : (r + 1) * tile.vecs] for r in range(tile.rows)]
    while len(rows) > 1:
        pairs = [
            [builder.fadd(a, b) for a, b in zip(rows[i], rows[i + 1], strict=True)] for i in range(0, len(rows) - 1, 2)
        ]
        rows = pairs + rows[len(pairs) * 2 :]
    return pack(builder, context, sig.return_type, rows[0])


def _elementwise(name: str) -> Any:
    """Two tiles of the same shape, vector by vector."""

    def generate(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
        tile: ir.Value = ir.Constant(a.type, ir.Undefined)
        for i in range(a.type.count):
            value = getattr(builder, name)(builder.extract_value(a, i), builder.extract_value(b, i))
            tile = builder.insert_value(tile, value, i)
        return tile

    return generate


for _symbol, _name in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _operator(_symbol, TileType, lambda kind: kind, _elementwise(_name))

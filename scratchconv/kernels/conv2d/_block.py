"""The zero-padded copy of a few source rows that a work item reads, so that no tap has to ask where the image ends."""

from __future__ import annotations

from typing import NamedTuple

from scratchconv.kernels._copy import fill_zero
from scratchconv.kernels._jit import inner
from scratchconv.kernels.conv2d._source import read_rows


class Block(NamedTuple):
    """Sizes of source and result and how work items cut them (plain integers, so kernels take it as it is)."""

    batch: int
    source_h: int
    source_w: int
    channels: int  # of the source
    result_h: int
    result_w: int
    results: int  # channels of the result
    step: int  # source rows from one result row to the next
    column_step: int  # source columns from one result column to the next
    spread: int  # result rows from one row of a phase to the next
    images: int  # images of a work item
    rows: int  # rows of a work item (of the longest phase)
    strips: int  # work items that share an image
    copied: int  # 1 if the source is copied into a padded block
    top: int  # source row where the first block begins
    left: int  # source column where a block begins
    height: int  # rows of a block
    width: int  # columns of a block
    pixel: int  # elements from one column of a block to the next


def describe(x, y, strip, row, column):
    """The sizes of source and result, whose shapes are ``x`` and ``y`` (NHWC), and of the items that ``strip`` cuts."""
    batch, source_h, source_w, channels = x
    _, result_h, result_w, results = y
    return Block(
        batch,
        source_h,
        source_w,
        channels,
        result_h,
        result_w,
        results,
        step=row.step,
        column_step=column.step,
        spread=row.spread,
        images=strip.images,
        rows=strip.rows,
        strips=-(-row.positions // strip.rows),
        copied=int(strip.copied),
        top=row.low,
        left=column.low,
        height=strip.height,
        width=strip.width,
        pixel=strip.pixel,
    )


def count_items(g):
    """Number of work items, for Python."""
    return -(-g.batch // g.images) * g.strips


@inner
def work_items(g):
    """Number of work items."""
    return (g.batch + g.images - 1) // g.images * g.strips


@inner
def chunk_of(g, chunk, chunks):
    """First work item of a chunk, and that after its last."""
    items = work_items(g)
    return chunk * items // chunks, (chunk + 1) * items // chunks


@inner
def is_last(g, item):
    """1 if the item is the last of its batch (whole images) or of its image (strips), else 0."""
    if g.strips > 1:
        return 1 if item % g.strips == g.strips - 1 else 0
    return 1 if item == work_items(g) - 1 else 0


@inner
def images_of(g, item):
    """Images of a work item."""
    return min(g.images, g.batch - item // g.strips * g.images)


@inner
def rows_of(g, item):
    """Rows of a work item, in a computation of one phase."""
    return min(g.rows, g.result_h - item % g.strips * g.rows)


@inner
def source_offset(g, item):
    """Flat offset of a work item in the source itself, for sources that need no padding."""
    return (item // g.strips * g.images * g.source_h + item % g.strips * g.rows * g.step) * g.source_w * g.channels


@inner
def result_offset(g, item):
    """Flat offset of a work item's first result."""
    return (item // g.strips * g.images * g.result_h + item % g.strips * g.rows * g.spread) * g.result_w * g.results


@inner
def block_size(g):
    """Elements of a block; a vector's slack lets tiles with few channels read whole vectors."""
    return (g.images * g.height * g.width * g.pixel if g.copied else 0) + 64


@inner
def result_rows_of(g, item):
    """Rows of a work item's results, all phases together."""
    return min(g.rows * g.spread, g.result_h - item % g.strips * g.rows * g.spread)


@inner
def inside(g, item):
    """Which part of a work item's block lies in the image: first row, row after the last, and the columns likewise.

    Before them the source row of the block's first row.
    """
    top, left = item % g.strips * g.rows * g.step + g.top, min(max(0, -g.left), g.width)
    above = min(max(0, -top), g.height)
    below, right = min(g.height, g.source_h - top), min(g.width, g.source_w - g.left)
    return top, above, max(above, below), left, max(left, right)


@inner
def fill_block(source, g, item, block, at):
    """Copy the work item's source rows to ``block[at:]``, zeros where they leave the image."""
    image, line = item // g.strips * g.images, g.width * g.pixel
    top, above, below, left, right = inside(g, item)
    for n in range(images_of(g, item)):
        o = at + n * g.height * line
        read_rows(source, image + n, top + above, below - above, left + g.left, right - left,
                  block, o + above * line + left * g.pixel, line, g.pixel)  # fmt: skip
        frame(g, above, below, left, right, block, o)


@inner
def frame(g, above, below, left, right, block, o):
    """Zero what lies round the given rows and columns of an image's block at ``o``."""
    line = g.width * g.pixel
    fill_zero(block, o, above * line)
    for r in range(above, below):
        fill_zero(block, o + r * line, left * g.pixel)
        fill_zero(block, o + r * line + right * g.pixel, (g.width - right) * g.pixel)
    fill_zero(block, o + below * line, (g.height - below) * line)


@inner
def place(source, g, item, block):
    """Return the array and the offset where the work item's source begins: in the source or in the filled block."""
    if g.copied:
        fill_block(source, g, item, block, 0)
        return block, 0
    return source.first, source_offset(g, item)

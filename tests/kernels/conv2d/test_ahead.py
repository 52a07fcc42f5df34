"""What is fetched ahead: the elements that a work item reads and writes, in shares of whole cache lines."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels._jit import kernel
from scratchconv.kernels.conv2d import _ahead, _block, _finish, _plan, _source
from tests.strategies import ConvGeometry

G = ConvGeometry(5, (9, 8), 3, (3, 3), 7, padding=(1, 1))


@kernel
def stretches(source, y, g, item, shares):
    return _ahead.source_stretch(source, g, item, shares), _ahead.result_stretch(y, g, item, shares)


@kernel
def fetch(source, y, reads, writes, shares):
    for share in range(shares):
        _ahead.fetch_source(source, reads, share)
        _ahead.fetch_result(y, writes, share)


def items_of(g: ConvGeometry, pixels: int) -> _block.Block:
    dims = zip(g.size, g.out, g.kernel, g.stride, g.padding, g.dilation, strict=True)
    row, column = (_plan.forward_direction(*dim) for dim in dims)
    strip = _plan.cut(row, column, g.batch, g.channels, 4, _plan.Limits(1 << 20, pixels, pixels))
    return _block.describe((g.batch, *g.size, g.channels), (g.batch, *g.out, g.filters), strip, row, column)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pixels", [20, 150])  # strips; images joined by twos, the last alone
def test_stretches_are_what_work_items_touch(pixels: int, dtype: type) -> None:
    x, y = np.zeros((5, 9, 8, 3), dtype), np.zeros((5, 9, 8, 7), dtype)
    g, line = items_of(G, pixels), 64 // np.dtype(dtype).itemsize
    written = []
    for item in range(_block.count_items(g)):
        reads, writes = stretches(_source.plain(x), y.reshape(-1), g, item, 6)
        for stretch in (reads, writes):
            assert stretch.step % line == 0
            assert stretch.start + 6 * stretch.step >= stretch.stop  # all shares together reach the end
        written += range(writes.start, writes.stop)
        images = item // g.strips * g.images
        first = images * 9 * 8 * 3 + item % g.strips * g.rows * 8 * 3
        assert reads.start == first
        assert reads.stop - reads.start == (g.rows if g.strips > 1 else g.images * 9) * 8 * 3
    assert written == list(range(y.size))


@pytest.mark.parametrize("kind", [_source.PLAIN, _source.ACTIVATION | _source.SKIP | _source.STORE, _source.GRADIENT])
def test_fetching_changes_nothing_even_beyond_the_end(kind: int) -> None:
    x, out = np.ones((5, 9, 8, 3), np.float32), np.full((5, 9, 8, 3), 2, np.float32)
    source = _source.make_source(kind, x, x, out, np.ones((4, 3)))
    g, y = items_of(G, 20), np.full(5 * 9 * 8 * 7, 3, np.float32)
    last = _block.count_items(g) - 1
    reads, writes = stretches(source, y, g, last, 1)
    fetch(source, y, reads._replace(stop=reads.stop + 9999), writes._replace(stop=writes.stop + 9999), 3)
    assert np.all(x == 1)
    assert np.all(out == 2)
    assert np.all(y == 3)


@kernel
def listed(errands, dy, x, finish, y, g, item, shares):
    _ahead.start_list(errands)
    _ahead.list_source(errands, dy, g, item, shares)
    _ahead.list_source(errands, x, g, item, shares)
    _ahead.list_finish(errands, finish, y, g, item, shares)
    for share in range(shares):
        _ahead.fetch(errands, share)


def lines_of(errands: np.ndarray) -> list[tuple[int, int, int]]:
    """Begin, end and step of each stretch that is listed."""
    return [tuple(errands[k : k + 3]) for k in range(1, int(errands[0]), 3)]


@pytest.mark.parametrize("shares", [1, 4])
def test_a_list_holds_what_a_work_item_will_read(shares: int) -> None:
    shape = (5, 9, 8, 3)
    arrays = {name: np.zeros(shape, np.float32) for name in ("g", "y", "z", "a", "extra", "z2", "skip", "dx")}
    selected, pooled = np.zeros((5, 4, 4, 3), np.float32), np.zeros((5, 4, 4, 3), np.float32)
    kind = _finish.RECEIVE | _finish.EXTRA | _finish.MASK | _finish.SUMS | _finish.SECOND
    finish = _finish.make_finish(
        kind, arrays["dx"], 5, [np.zeros(3)] * 4, **{name: arrays[name] for name in ("z", "a", "extra", "z2")}
    )
    g = items_of(ConvGeometry(5, (9, 8), 3, (3, 3), 3, padding=(1, 1)), 1 << 20)  # whole images
    assert g.strips == 1
    dy = _source.make_source(_source.GRADIENT | _source.POOLED, pooled, arrays["y"], selected, np.zeros((4, 3)))
    x = _source.make_source(_source.ACTIVATION | _source.SKIP, arrays["g"], arrays["skip"], None, np.zeros((4, 3)))
    errands = np.full(_ahead.ERRANDS, -1)
    for item in range(_block.count_items(g)):
        listed(errands, dy, x, finish, arrays["dx"].reshape(-1), g, item, shares)
        images = slice(item * g.images, (item + 1) * g.images)
        read = [pooled, selected, arrays["y"], arrays["g"], arrays["skip"]]
        read += [arrays[name] for name in ("z", "a", "extra", "z2")]
        found = lines_of(errands)
        assert len(found) == len(read)
        for (begin, end, step), array in zip(found, read, strict=True):
            assert begin == array[images].ctypes.data
            assert end >= begin + array[images].nbytes
            assert step % 64 == 0
            assert begin + shares * step >= end

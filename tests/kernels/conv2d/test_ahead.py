"""What is fetched ahead: the elements that a work item reads and writes, cache line by cache line."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.kernels._jit import kernel
from scratchconv.kernels.conv2d import _ahead, _block, _finish, _plan, _source
from tests.strategies import ConvGeometry

G = ConvGeometry(5, (9, 8), 3, (3, 3), 7, padding=(1, 1))


@kernel
def stretches(g, item):
    return _ahead.source_stretch(g, item), _ahead.result_stretch(g, item)


@kernel
def lines_of(ahead, s, sources, stretch, steps, takes, begins, lasts):
    """Write the list, then take it in turns; return nothing."""
    _ahead.begin_list(ahead)
    for source in sources:
        _ahead.list_arrays(ahead, s, source, stretch)
    _ahead.end_list(ahead, s, steps * takes)
    for k in range(takes):
        begins[k], lasts[k] = _ahead.take(ahead, steps)


@kernel
def fetch_all(ahead, s, source, stretch, turns):
    _ahead.begin_list(ahead)
    _ahead.list_arrays(ahead, s, source, stretch)
    _ahead.end_list(ahead, s, turns * _ahead.TURN)
    for _ in range(turns + 2):
        _ahead.fetch(ahead, s)


@kernel
def fetch_the_rest(ahead, s, source, stretch, steps, takes):
    """The first line that is not asked for, after as many takes of one step and 4 lines of the rest with each."""
    _ahead.begin_list(ahead)
    _ahead.list_arrays(ahead, s, source, stretch)
    _ahead.end_list(ahead, s, steps)
    first = ahead[_ahead.FIRST]
    for _ in range(takes):
        _ahead.take(ahead, 1)
        _ahead.fetch_rest(ahead, s, 4)
    return (ahead[_ahead.FIRST] - first) * s.itemsize // 64


def items_of(g: ConvGeometry, pixels: int) -> _block.Block:
    dims = zip(g.size, g.out, g.kernel, g.stride, g.padding, g.dilation, strict=True)
    row, column = (_plan.forward_direction(*dim) for dim in dims)
    strip = _plan.cut(row, column, g.batch, g.channels, 4, _plan.Limits(1 << 20, pixels, pixels))
    return _block.describe((g.batch, *g.size, g.channels), (g.batch, *g.out, g.filters), strip, row, column)


@pytest.mark.parametrize("pixels", [20, 150])  # strips; images joined by twos, the last alone
def test_stretches_are_what_work_items_touch(pixels: int) -> None:
    g, written = items_of(G, pixels), []
    for item in range(_block.count_items(g)):
        reads, writes = stretches(g, item)
        written += range(writes.start, writes.stop)
        images = item // g.strips * g.images
        assert reads.start == images * 9 * 8 * 3 + item % g.strips * g.rows * 8 * 3
        assert reads.stop - reads.start == (g.rows if g.strips > 1 else g.images * 9) * 8 * 3
    assert written == list(range(5 * 9 * 8 * 7))


@pytest.mark.parametrize("kind", [_source.PLAIN, _source.ACTIVATION | _source.SKIP | _source.STORE, _source.GRADIENT])
def test_fetching_reaches_the_end_and_changes_nothing_even_beyond_it(kind: int) -> None:
    x, out = np.ones((5, 9, 8, 3), np.float32), np.full((5, 9, 8, 3), 2, np.float32)
    source = _source.make_source(kind, x, x, out, np.ones((4, 3)))
    s, ahead = np.full(100, 3, np.float32), np.empty(_ahead.LIST, np.int64)
    fetch_all(ahead, s, source, _ahead.Stretch(0, x.size + 9999), 32)
    assert ahead[_ahead.CURSOR] == ahead[_ahead.END]
    assert np.all(x == 1)
    assert np.all(out == 2)
    assert np.all(s == 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("steps", "takes"), [(32, 40), (16, 16), (3, 5), (1, 1000)])
def test_a_list_hands_out_line_after_line_at_most_one_a_step(steps: int, takes: int, dtype: type) -> None:
    line = 64 // np.dtype(dtype).itemsize
    s, x, y, z = (np.zeros(size, dtype) for size in (100, 4000, 4000, 4000))
    images = [array.reshape(1, 10, 40, 10) for array in (x, y, z)]
    sources = (_source.plain(images[2]), _source.plain(images[0]), _source.plain(images[1]))
    ahead, begins, lasts = np.empty(_ahead.LIST, np.int64), np.empty(takes, np.int64), np.empty(takes, np.int64)
    lines_of(ahead, s, sources, _ahead.Stretch(40, 40 + 30 * line + 1), steps, takes, begins, lasts)
    found = []
    for begin, last in zip(begins, lasts, strict=True):
        if (begin, last) != (0, 0):  # what is left to fetch when everything is
            found += list(range(begin, last + 1, line))
    away = [(array.ctypes.data - s.ctypes.data) // s.itemsize + 40 for array in (z, x, y)]
    wanted = [first + k * line for first in away for k in range(31)]
    assert found == wanted[: len(found)]
    each = min(steps, len(wanted) // takes + 2)
    assert len(found) >= min(len(wanted), steps * takes) - 3 * each  # where a stretch ends, a turn may be short
    assert all(last - begin < steps * line for begin, last in zip(begins, lasts, strict=True))


def test_only_what_the_steps_leave_is_the_rest() -> None:
    x, s, ahead = np.zeros((1, 16, 16, 16), np.float32), np.zeros(16, np.float32), np.empty(_ahead.LIST, np.int64)
    source, stretch = _source.plain(x), _ahead.Stretch(0, x.size)  # 256 lines
    assert fetch_the_rest(ahead, s, source, stretch, 512, 10) == 10
    assert fetch_the_rest(ahead, s, source, stretch, 200, 10) == 50


def test_an_empty_list_hands_out_one_line_for_ever() -> None:
    s, ahead = np.zeros(10, np.float32), np.empty(_ahead.LIST, np.int64)
    source, begins, lasts = _source.plain(np.zeros((1, 0, 1, 1), np.float32)), np.ones(3, int), np.ones(3, int)
    lines_of(ahead, s, (source,), _ahead.Stretch(0, 0), 4, 3, begins, lasts)
    assert [*begins, *lasts] == [0] * 6


@kernel
def list_all(ahead, s, dy, x, finish, y, g, item):
    _ahead.begin_list(ahead)
    _ahead.list_finish(ahead, s, finish, y, g, item, x)
    _ahead.list_source(ahead, s, dy, g, item)
    _ahead.list_source(ahead, s, x, g, item)
    _ahead.end_list(ahead, s, 100)


def test_a_list_holds_what_a_work_item_will_read() -> None:
    """Of every array, as many as a backward pass can have; behind a pooling, the windows of its rows."""
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
    s, ahead = np.zeros(100, np.float32), np.full(_ahead.LIST, -1)
    for item in range(_block.count_items(g)):
        list_all(ahead, s, dy, x, finish, arrays["dx"].reshape(-1), g, item)
        images = slice(item * g.images, (item + 1) * g.images)
        read = [arrays[name] for name in ("dx", "z", "a", "extra", "z2")]  # dx is going to be written
        read += [pooled, selected, arrays["y"], arrays["g"], arrays["skip"]]
        stretches = ahead[_ahead.FIRST : ahead[_ahead.END]].reshape(-1, 2)
        assert len(stretches) == len(read)
        for (start, stop), array in zip(stretches, read, strict=True):
            assert s.ctypes.data + start * s.itemsize == array[images].ctypes.data
            assert stop - start >= array[images].size


@pytest.mark.parametrize("kind", [_finish.RECEIVE | _finish.MASK, _finish.RECEIVE | _finish.MASK_AFFINE])
def test_a_list_asks_once_for_what_is_read_twice(kind: int) -> None:
    """Where dx is received, the mask is often what the convolution has read."""
    x, dx = np.zeros((2, 9, 8, 3), np.float32), np.zeros((2, 9, 8, 3), np.float32)
    finish = _finish.make_finish(kind, dx, 2, [np.zeros(3)] * 4, z=x, a=x)
    g = items_of(ConvGeometry(2, (9, 8), 3, (3, 3), 3, padding=(1, 1)), 1 << 20)
    s, ahead = np.zeros(100, np.float32), np.full(_ahead.LIST, -1)
    list_all(ahead, s, _source.plain(dx), _source.plain(x), finish, dx.reshape(-1), g, 0)
    starts = ahead[_ahead.FIRST : ahead[_ahead.END]].reshape(-1, 2)[:, 0]
    assert [s.ctypes.data + start * s.itemsize for start in starts] == [dx.ctypes.data, dx.ctypes.data, x.ctypes.data]

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from scratchconv.kernels import _windows
from tests.strategies import PoolGeometry, pool_geometries


def walk(geometry: PoolGeometry) -> tuple[dict[tuple[int, int], list[int]], int]:
    """Flat indices of the taps of each window, put together from runs; and the number of runs."""
    _, channels, *size = geometry.x_shape
    kernel, stride, padding, dilation = (geometry.params[k] for k in ("kernel_size", "stride", "padding", "dilation"))
    shape = (*size, channels)
    counts = [(size[a] + 2 * padding[a] - dilation[a] * (kernel[a] - 1) - 1) // stride[a] + 1 for a in (0, 1)]
    whole = _windows.whole_windows(size[1], kernel[1], stride[1], padding[1], dilation[1], counts[1])
    steps = (dilation[0] * size[1] * channels, dilation[1] * channels)
    table = _windows.offset_table(kernel, shape)
    found, runs = {}, 0
    for i in range(counts[0]):
        j = 0
        while j < counts[1]:
            first, taps, count = _windows.run_at(i, j, shape, kernel, stride, padding, dilation, whole)
            offsets = _windows.tap_offsets(taps, steps, table)
            for k in range(count):
                found[i, j + k] = [int(first + k * stride[1] * channels + o) for o in offsets]
            j, runs = j + count, runs + 1
    return found, runs


@given(geometry=pool_geometries())
def test_runs_find_the_taps_inside(geometry: PoolGeometry) -> None:
    _, channels, height, width = geometry.x_shape
    kernel, stride, padding, dilation = (geometry.params[k] for k in ("kernel_size", "stride", "padding", "dilation"))
    found, _ = walk(geometry)
    for (i, j), taps in found.items():
        rows = [i * stride[0] + u * dilation[0] - padding[0] for u in range(kernel[0])]
        columns = [j * stride[1] + v * dilation[1] - padding[1] for v in range(kernel[1])]
        wanted = [(h * width + w) * channels for h in rows if 0 <= h < height for w in columns if 0 <= w < width]
        assert taps == wanted


def test_windows_inside_are_one_run() -> None:
    pairs = {"kernel_size": (3, 3), "stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}
    _, runs = walk(PoolGeometry((1, 1, 5, 9), pairs))
    assert runs == 5 * 3  # the first window of a row, seven inside, the last


@given(geometry=pool_geometries(), tile=st.booleans())
def test_overlap_and_tiling(geometry: PoolGeometry, tile: bool) -> None:
    """Windows said to share no pixel share none; windows said to tile hold each pixel exactly once."""
    pairs = dict(geometry.params)
    if tile:
        pairs |= {"stride": pairs["kernel_size"], "padding": (0, 0), "dilation": (1, 1)}
    assume(
        all(
            size >= d * (k - 1) + 1
            for size, k, d in zip(geometry.x_shape[2:], pairs["kernel_size"], pairs["dilation"], strict=True)
        )
    )
    found, _ = walk(PoolGeometry(geometry.x_shape, pairs))
    taps = sorted(tap for window in found.values() for tap in window)
    image = type("Image", (), {"shape": geometry.x_shape[2:]})
    counts = type("Counts", (), {"shape": (max(i for i, _ in found) + 1, max(j for _, j in found) + 1)})
    kernel, stride, padding, dilation = (pairs[k] for k in ("kernel_size", "stride", "padding", "dilation"))
    if not _windows.windows_overlap(kernel, stride, dilation):
        assert len(set(taps)) == len(taps)
    _, channels, height, width = geometry.x_shape
    exactly_once = taps == [pixel * channels for pixel in range(height * width)]
    tiles = getattr(_windows.windows_tile, "py_func", _windows.windows_tile)
    if tiles(image, counts, kernel, stride, padding, dilation):
        assert exactly_once
    elif tile:
        assert not exactly_once

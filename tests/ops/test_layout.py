"""Between the meaning of an array and its memory."""

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.ops import _layout
from tests.strategies import LAYOUTS


@pytest.mark.parametrize("name", LAYOUTS)
def test_images_of_any_layout(name: str) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    given = LAYOUTS[name](x)
    nhwc = _layout.as_nhwc(given)
    assert (nhwc.shape, nhwc.dtype, nhwc.flags.c_contiguous) == ((2, 4, 5, 3), np.float32, True)
    np.testing.assert_array_equal(_layout.from_nhwc(nhwc), x)
    assert np.shares_memory(nhwc, given) == (name == "channels last")
    assert np.shares_memory(nhwc, _layout.from_nhwc(nhwc))
    assert nhwc[1, 2, 3, 0] == x[1, 0, 2, 3]


def test_weights() -> None:
    w = np.random.default_rng(0).standard_normal((6, 3, 4, 5))
    khwcf = _layout.as_khwcf(w)
    assert (khwcf.shape, khwcf.flags.c_contiguous) == ((4, 5, 3, 6), True)
    assert khwcf[3, 4, 1, 5] == w[5, 1, 3, 4]
    np.testing.assert_array_equal(_layout.from_khwcf(khwcf), w)
    assert np.shares_memory(_layout.as_khwcf(_layout.from_khwcf(khwcf)), khwcf)


def test_kernels_get_writable_contiguous_memory() -> None:
    x = np.arange(6.0).reshape(2, 3)
    assert _layout.contiguous(x) is x
    for other in (x.T, x[:, ::2], x[::-1]):
        copy = _layout.contiguous(other)
        assert copy.flags.carray
        assert not np.shares_memory(copy, x)
        np.testing.assert_array_equal(copy, other)
    x.flags.writeable = False
    assert _layout.contiguous(x).flags.carray


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5), (2, 3, 4, 5, 6)])
def test_channels_move_last_and_back_without_a_copy(shape: tuple[int, ...]) -> None:
    x = np.zeros(shape)
    last = _layout.channels_last(x)
    assert last.shape == (shape[0], *shape[2:], shape[1])
    assert np.shares_memory(last, x)
    assert _layout.channels_second(last).strides == x.strides

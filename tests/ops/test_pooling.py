from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scratchconv.ops import _pooling

max_pool2d = torch.nn.functional.max_pool2d


@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 9),
    stride=st.integers(1, 12),
    share=st.floats(0, 1),
    dilation=st.integers(1, 4),
    ceil_mode=st.booleans(),
)
def test_output_size_is_torchs(
    size: int, kernel: int, stride: int, share: float, dilation: int, ceil_mode: bool
) -> None:
    padding = int(share * (kernel // 2))
    windows = _pooling.windows((kernel, 1), (stride, 1), (padding, 0), (dilation, 1))
    try:
        wanted = max_pool2d(torch.zeros(1, size, 1), *windows, ceil_mode).shape[1]
    except RuntimeError:
        with pytest.raises(RuntimeError, match="at least one row and column"):
            windows.output_size((1, size, 1), ceil_mode)
    else:
        assert windows.output_size((1, size, 1), ceil_mode) == (wanted, 1)


def test_the_last_window_starts_inside() -> None:
    """By hand: windows of 2, stride 3, over 4 pixels start at 0 and 3; over 3 pixels a second one would start at 3."""
    windows = _pooling.windows(2, 3, 0)
    assert windows.output_size((4, 3), ceil_mode=True) == (2, 1)
    assert windows.output_size((4, 3), ceil_mode=False) == (1, 1)


def test_one_number_stands_for_both_and_stride_for_the_kernel() -> None:
    assert _pooling.windows(3, None, 1) == ((3, 3), (3, 3), (1, 1), (1, 1))
    assert _pooling.windows([4, 2], 1, (2, 1), (1, 2)) == ((4, 2), (1, 1), (2, 1), (1, 2))


@pytest.mark.parametrize("big", [2**31, 2**70])
def test_numbers_that_would_overflow_an_index_are_refused(big: int) -> None:
    with pytest.raises(RuntimeError, match=str(big)):
        _pooling.windows(big, None, 0)
    with pytest.raises(RuntimeError, match="stride"):
        _pooling.windows(2, (1, big), 0)

"""What ``backends.conv.precision`` promises about the error of convolutions; the README has the whole table."""

from __future__ import annotations

import pytest

from tests.parity import conv_error
from tests.parity.conv_error import ratios

# Three times: PyTorch adds up channels in short sums, ours are longer, and the transforms add larger numbers.
EXACT, FAST = 3.0, {3: 10.0, 5: 30.0}


LIMITS = [(3, 1, 16), (3, 1, 64), (3, 1, 128), (3, 1, 256), (5, 1, 16), (5, 1, 32)]
STRIDED = [(3, 2, 16), (3, 2, 64), (3, 2, 128), (3, 2, 256)]


@pytest.mark.parametrize(("taps", "stride", "channels"), LIMITS + STRIDED)
def test_exact_winograd_stays_within_three_times_pytorchs_error(taps: int, stride: int, channels: int) -> None:
    found = ratios(taps, channels, "winograd", "exact", stride)
    assert max(found.values()) <= EXACT, found


def test_beyond_that_it_is_more_exact_than_direct() -> None:
    """Direct has one sum over taps and channels, Winograd's sums are over channels alone."""
    direct, winograd = (ratios(3, 512, algorithm, "exact") for algorithm in ("direct", "winograd"))
    assert winograd["forward"] < direct["forward"]
    assert winograd["dx"] < direct["dx"]
    assert winograd["dw"] <= EXACT


@pytest.mark.parametrize("channels", [16, 256])
@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (3, 2), (5, 1)])
def test_fast_winograd_stays_within_what_is_said(taps: int, stride: int, channels: int) -> None:
    found = ratios(taps, channels, "winograd", "fast", stride)
    assert max(found.values()) <= FAST[taps], found


def test_the_readme_has_room_for_the_table() -> None:
    text = conv_error.README.read_text()
    assert all(text.count(marker) == 1 for marker in conv_error.MARKERS)

from __future__ import annotations

import numpy as np
import pytest

from scratchconv.nn._geometry import check_padding_string, pair


@pytest.mark.parametrize(
    ("value", "expected"), [(3, (3, 3)), ((1, 2), (1, 2)), ([4, 5], (4, 5)), (np.int64(2), (2, 2))]
)
def test_pair(value: object, expected: tuple) -> None:
    assert pair(value, "stride") == expected


@pytest.mark.parametrize("value", [2.0, (1, 2.5), True, None, "12"])
def test_pair_wants_ints(value: object) -> None:
    with pytest.raises(TypeError, match="stride"):
        pair(value, "stride")


@pytest.mark.parametrize("value", [(1,), (1, 2, 3), ()])
def test_pair_wants_two(value: tuple) -> None:
    with pytest.raises(ValueError, match="kernel_size"):
        pair(value, "kernel_size")


def test_padding_strings() -> None:
    check_padding_string("same", (1, 1))
    check_padding_string("valid", (2, 2))
    check_padding_string((5, 5), (2, 2))
    with pytest.raises(ValueError, match="'circular'"):
        check_padding_string("circular", (1, 1))
    with pytest.raises(ValueError, match=r"stride=\(1, 2\)"):
        check_padding_string("same", (1, 2))

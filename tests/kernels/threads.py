"""Running a test on every number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scratchconv.kernels import _threads


def every_thread_count() -> Iterator[int]:
    """Set the number of threads to 1, 2, ... in turn, and back in the end."""
    most = _threads.get_num_threads()
    if most < 2:
        pytest.skip("one thread only: nothing to compare")
    try:
        for count in range(1, most + 1):
            _threads.set_num_threads(count)
            yield count
    finally:
        _threads.set_num_threads(most)

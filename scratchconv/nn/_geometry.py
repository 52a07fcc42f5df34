"""Sizes given as one int or a pair: (height, width)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

IntPair = int | tuple[int, int]


def pair(value: IntPair, name: str) -> tuple[int, int]:
    """Return ``value`` as (height, width); raise TypeError or ValueError that names the argument otherwise."""
    items: tuple[Any, ...] = tuple(value) if isinstance(value, Iterable) else (value, value)
    if len(items) != 2:
        raise ValueError(f"{name} must be an int or a pair (height, width), got {value!r}")
    if not all(hasattr(item, "__index__") and not isinstance(item, bool) for item in items):
        raise TypeError(f"{name} must be an int or a pair of ints, got {value!r}")
    return int(items[0]), int(items[1])

"""Sizes given as one int or a pair (height, width), and padding given by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

IntPair = int | tuple[int, int]
Padding = IntPair | Literal["same", "valid"]


def pair(value: IntPair, name: str) -> tuple[int, int]:
    """Return ``value`` as (height, width); raise TypeError or ValueError that names the argument otherwise."""
    items: tuple[Any, ...] = tuple(value) if isinstance(value, Iterable) else (value, value)
    if len(items) != 2:
        raise ValueError(f"{name} must be an int or a pair (height, width), got {value!r}")
    if not all(hasattr(item, "__index__") and not isinstance(item, bool) for item in items):
        raise TypeError(f"{name} must be an int or a pair of ints, got {value!r}")
    return int(items[0]), int(items[1])


def check_padding_string(padding: Padding, stride: tuple[int, int]) -> None:
    """Raise ValueError for a string that names no padding, or for "same" with a stride."""
    if not isinstance(padding, str):
        return
    if padding not in ("same", "valid"):
        raise ValueError(f"padding must be an int, a pair, 'same' or 'valid', got {padding!r}")
    if padding == "same" and stride != (1, 1):
        raise ValueError(f"padding='same' needs stride 1, got stride={stride}")

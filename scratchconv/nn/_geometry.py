"""Sizes given as one int or a pair (height, width), and padding given by name."""

from __future__ import annotations

from typing import Literal

IntPair = int | tuple[int, int]
Padding = IntPair | Literal["same", "valid"]


def padding_problem(padding: Padding, stride: tuple[int, int]) -> str | None:
    """Say what is wrong with ``padding``, if it is a string: an unknown name, or "same" with a stride."""
    if not isinstance(padding, str):
        return None
    if padding not in ("same", "valid"):
        return f"padding must be an int, a pair, 'same' or 'valid', got {padding!r}"
    if padding == "same" and stride != (1, 1):
        return f"padding='same' needs stride 1, got stride={stride}"
    return None

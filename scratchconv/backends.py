"""Switches that choose how an operation computes, in the manner of ``torch.backends``."""

from __future__ import annotations

from typing import Final, Literal, get_args

Algorithm = Literal["auto", "naive", "im2col", "direct"]


class _Conv:
    """``scratchconv.backends.conv``: which convolution algorithm runs."""

    def __init__(self) -> None:
        self._algorithm: Algorithm = "auto"

    @property
    def algorithm(self) -> Algorithm:
        """``"auto"`` (the fastest that is as exact as PyTorch) or one algorithm by name."""
        return self._algorithm

    @algorithm.setter
    def algorithm(self, name: Algorithm) -> None:
        if name not in get_args(Algorithm):
            raise ValueError(f"backends.conv.algorithm must be one of {get_args(Algorithm)}, got {name!r}")
        self._algorithm = name


conv: Final = _Conv()

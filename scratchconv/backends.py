"""Switches that choose how an operation computes, in the manner of ``torch.backends``."""

from __future__ import annotations

from typing import Final, Literal, get_args

Algorithm = Literal["auto", "naive", "im2col", "direct", "rows", "winograd"]
Precision = Literal["exact", "fast"]


class _Conv:
    """``scratchconv.backends.conv``: which convolution algorithm runs, and how exactly."""

    def __init__(self) -> None:
        self._algorithm: Algorithm = "auto"
        self._precision: Precision = "exact"

    @property
    def algorithm(self) -> Algorithm:
        """``"auto"`` (the fastest for the shape) or one algorithm by name.

        Where the named one does not compute a geometry (``rows`` and ``winograd`` are for stride 1), direct runs.
        """
        return self._algorithm

    @algorithm.setter
    def algorithm(self, name: Algorithm) -> None:
        if name not in get_args(Algorithm):
            raise ValueError(f"backends.conv.algorithm must be one of {get_args(Algorithm)}, got {name!r}")
        self._algorithm = name

    @property
    def precision(self) -> Precision:
        """``"exact"`` (float32 error at most thrice PyTorch's) or ``"fast"`` (larger Winograd tiles, more error)."""
        return self._precision

    @precision.setter
    def precision(self, name: Precision) -> None:
        if name not in get_args(Precision):
            raise ValueError(f"backends.conv.precision must be one of {get_args(Precision)}, got {name!r}")
        self._precision = name


conv: Final = _Conv()

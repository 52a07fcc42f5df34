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

        Where the named one does not compute a geometry (``rows`` is for stride 1, ``winograd`` for 3x3 and 5x5 kernels
        with stride 1, dilated ones phase by phase, and for 3x3 kernels with stride 2), or not within ``precision``,
        direct runs.
        """
        return self._algorithm

    @algorithm.setter
    def algorithm(self, name: Algorithm) -> None:
        if name not in get_args(Algorithm):
            raise ValueError(f"backends.conv.algorithm must be one of {get_args(Algorithm)}, got {name!r}")
        self._algorithm = name

    @property
    def precision(self) -> Precision:
        """``"exact"`` or ``"fast"``: how far the error of Winograd's convolution may exceed that of PyTorch's.

        Exact: three times, in float32, up to 256 channels, and less than that of direct beyond. Fast: larger tiles,
        ten times for 3x3 kernels and up to thirty times for 5x5. The README of the kernels has the measurements.
        """
        return self._precision

    @precision.setter
    def precision(self, name: Precision) -> None:
        if name not in get_args(Precision):
            raise ValueError(f"backends.conv.precision must be one of {get_args(Precision)}, got {name!r}")
        self._precision = name


conv: Final = _Conv()

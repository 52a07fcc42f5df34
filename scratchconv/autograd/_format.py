"""How a tensor prints."""

from __future__ import annotations

from typing import Literal

import numpy as np

from scratchconv.autograd import dtypes
from scratchconv.ops._op import Array

_SELF_EVIDENT = (dtypes.float32, dtypes.int64, dtypes.bool)


def describe(data: Array, note: str = "") -> str:
    """Return ``tensor([...], dtype=..., note)``; the dtype is left out where the numbers show it.

    >>> print(describe(np.array([1.0, 2.5], np.float32)))
    tensor([1.0000, 2.5000])
    """
    prefix = "tensor("
    whole = data.dtype.kind == "f" and bool(np.all(np.isfinite(data) & (data == np.trunc(data)))) and data.size > 0
    mode: Literal["fixed", "maxprec"] = "maxprec" if whole or data.dtype.kind != "f" else "fixed"
    parts = [np.array2string(data, separator=", ", precision=4, prefix=prefix, threshold=1000, floatmode=mode)]
    if data.size == 0 and data.ndim != 1:
        parts.append(f"size={data.shape}")
    if data.dtype not in _SELF_EVIDENT or data.size == 0:
        parts.append(f"dtype={data.dtype}")
    if note:
        parts.append(note)
    return prefix + ", ".join(parts) + ")"

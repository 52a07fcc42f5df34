"""The error measure, and how much larger than PyTorch's each operation's error may be.

Relative root mean square, ``||value − truth|| / ||truth||``, decides. It is invariant under scaling, it does not blow
up at the elements that happen to be near zero (an elementwise relative error does, for any summation), and averaging
over the elements makes it repeatable enough for a tight factor. A single wrong element hides in it only if the error is
small; so the largest error, ``max |value − truth| / rms(truth)``, is measured and limited as well.

A float32 error below a quarter of the dtype's epsilon counts as a quarter: that is the RMS error of a correctly rounded
result, and no algorithm can be asked for less merely because PyTorch was lucky.

In float64 the truth is PyTorch's own float64 result, so PyTorch has no error to divide by. Its error is estimated as
its float32 error times eps64 / eps32: rounding errors of one algorithm are proportional to the unit roundoff.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from torch_ref.parity.case import Array


class Error(NamedTuple):
    """Relative RMS and largest error of one array."""

    rms: float
    max: float


def error(value: Array, truth: Array) -> Error:
    """Error of ``value`` relative to ``truth``; infinite if shapes differ or a value is wrongly not finite."""
    if value.shape != truth.shape:
        return Error(np.inf, np.inf)
    if truth.size == 0 or np.array_equal(value, truth, equal_nan=True):
        return Error(0.0, 0.0)
    difference = np.abs(value.astype(np.float64) - truth)
    scale = float(np.sqrt(np.mean(np.square(truth))))
    if not np.all(np.isfinite(difference)) or scale == 0.0:
        return Error(np.inf, np.inf)
    return Error(float(np.sqrt(np.mean(np.square(difference)))) / scale, float(difference.max()) / scale)


def pooled(errors: list[Error]) -> Error:
    """Errors of several draws of one case as one: quadratic mean of the RMS, maximum of the maxima."""
    return Error(float(np.sqrt(np.mean([e.rms**2 for e in errors]))), max(e.max for e in errors))


def floor(dtype: type[np.floating[Any]]) -> Error:
    """Error of a correctly rounded result: RMS eps/4; at most half a unit, of elements up to 4 times the RMS."""
    eps = float(np.finfo(dtype).eps)
    return Error(eps / 4, eps * 2)


def ratio(ours: Error, theirs: Error, dtype: type[np.floating[Any]]) -> Error:
    """Ratio of our error to PyTorch's, neither taken below ``floor(dtype)``."""
    least = floor(dtype)
    return Error(
        max(ours.rms, least.rms) / max(theirs.rms, least.rms),
        max(ours.max, least.max) / max(theirs.max, least.max),
    )


@dataclass(frozen=True)
class Limit:
    """How many times PyTorch's error an operation may have, in RMS, and why."""

    factor: float
    reason: str

    @property
    def max_factor(self) -> float:
        """Factor for the largest error: three times as wide, because a maximum scatters more than a mean."""
        return 3 * self.factor


_SUMS = "the order of summation differs from PyTorch's; both are blocked sums of the same terms"

LIMITS: dict[str, Limit] = {
    "conv2d": Limit(
        3.0, "what backends.conv.precision promises: Winograd's transforms add larger numbers than the result"
    ),
    "linear": Limit(2.5, _SUMS),
    "matmul": Limit(2.0, _SUMS),
    "max_pool2d": Limit(1.5, "selects values; the gradient adds at most a few of them"),
    "avg_pool2d": Limit(2.5, "short sums, then one division or a product with its rounded reciprocal"),
    "batch_norm": Limit(2.5, "statistics are merged in float64; the normalisation rounds once more than PyTorch's"),
    "cross_entropy": Limit(3.0, "exp and log differ by an ulp; the mean over a batch is a short sum"),
    "relu": Limit(1.0, "exact"),
    "elementwise": Limit(1.2, "one correctly rounded operation"),
    "broadcast": Limit(2.0, _SUMS),
    "exp, log, sqrt": Limit(2.0, "the vector and the scalar mathematics libraries are within one or two ulp each"),
    "reductions": Limit(2.0, _SUMS),
    "SGD": Limit(2.0, "the same recurrence; fused multiply-adds round less often"),
    "Adam": Limit(2.0, "the same recurrence; bias corrections are computed in float64 by both"),
}

_SERIAL = (
    "PyTorch's float64 variance is one serial sum, wrong by some ten roundings, where its float32 variance sums in "
    "float64: that error counts as ours"
)

# In float64 the ratio also holds the error of the truth; where that is more than the float32 error suggests:
LIMITS_FLOAT64: dict[str, Limit] = LIMITS | {
    "cross_entropy": Limit(4.0, "both round a loss of a few ulp, and the difference is compared with one of them"),
    "batch_norm": Limit(12.0, _SERIAL),
    "reductions": Limit(20.0, _SERIAL),
}


def limit(op: str, dtype: str) -> Limit:
    """Look up what ``op`` is allowed in ``dtype``."""
    return (LIMITS_FLOAT64 if dtype == "float64" else LIMITS)[op]

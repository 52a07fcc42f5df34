"""Cross entropy of labels, softmax and log-softmax: the derivations are in kernels/cross_entropy/README.md."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from scratchconv.kernels.cross_entropy import rows as kernels
from scratchconv.ops._axes import checked_dims
from scratchconv.ops._memory import empty
from scratchconv.ops._op import Array, is_floating

__all__ = ["LOG_SOFTMAX", "SOFTMAX", "backward", "forward"]


class Saved(NamedTuple):
    """Log probabilities (R, C), labels (R,) and class weights (C,); the parameters; and the divisor of the mean."""

    logp: Array
    target: Array
    weight: Array
    ignore_index: int
    smoothing: float
    divisor: float
    shape: tuple[int, ...]


def forward(
    logits: Array,
    *,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> tuple[Array, Saved]:
    """Return the mean, the sum, or each one of ``-log softmax(logits)[target]``.

    Parameters
    ----------
    logits
        (N, C), (N, C, ...) or (C,), float32 or float64.
    target
        Class labels, int64 (or uint8), with the shape of ``logits`` without C.
    weight
        (C,), a factor for each class, of the dtype of ``logits``.
    ignore_index
        Samples with this label count for nothing.
    reduction
        ``"mean"`` (divided by the weights of the labels), ``"sum"`` or ``"none"``.
    label_smoothing
        How much of each label is spread evenly over all classes, from 0 to 1.

    Raises
    ------
    IndexError
        If a label is not one of 0 … C - 1.
    RuntimeError
        If a dtype or the shape of ``weight`` or of one sample does not fit, or ``label_smoothing`` is out of range.
    ValueError
        If ``reduction`` is another word, or there are more or fewer labels than samples.
    """
    _check_parameters(logits, weight, reduction, label_smoothing)
    _check_labels(logits, target)
    labels = np.array(target.reshape(-1), np.int64)
    scores = _class_last(logits, min(1, logits.ndim - 1))
    factors = _ones(scores.shape[1], logits.dtype) if weight is None else np.ascontiguousarray(weight)
    logp, losses, totals = empty(scores.shape, logits.dtype), np.empty(len(labels)), np.empty(3)
    kernels.loss(scores, labels, factors, ignore_index, float(label_smoothing), logp, losses, totals)
    loss, counted, wrong = totals.tolist()
    if wrong >= 0:
        given = f"(logits {logits.shape}), got {labels[int(wrong)]}"
        raise IndexError(f"labels must lie between 0 and {scores.shape[1] - 1} {given}")
    divisor = counted if reduction == "mean" else 1.0
    if reduction == "none":
        result = losses.reshape(target.shape).astype(logits.dtype)
    else:
        result = np.array(loss / divisor if divisor else np.nan, logits.dtype)
    return result, Saved(logp, labels, factors, ignore_index, float(label_smoothing), divisor, logits.shape)


def backward(saved: Saved, dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None]:
    """Return the gradient of the logits, in the memory order (N, ..., C)."""
    if not needs[0]:
        return (None,)
    logp, labels, factors, ignore_index, smoothing, divisor, shape = saved
    dx = empty(logp.shape, logp.dtype)
    scale = dy.reshape(-1).astype(np.float64)
    scale /= divisor or np.nan
    kernels.loss_gradient(logp, labels, factors, ignore_index, smoothing, scale, dx)
    return (_class_back(dx, shape, 1 if len(shape) > 1 else 0),)


@functools.cache
def _ones(classes: int, dtype: Any) -> Array:
    """Return equal class weights."""
    return np.ones(classes, dtype)


def _check_parameters(logits: Array, weight: Array | None, reduction: str, label_smoothing: float) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must lie between 0 and 1, got {label_smoothing}")
    if not is_floating(logits) or logits.ndim == 0:
        raise RuntimeError(f"logits must be float32 or float64 of shape (N, C, ...) or (C,), got {_named(logits)}")
    classes = logits.shape[min(1, logits.ndim - 1)]
    if weight is not None and (weight.shape != (classes,) or weight.dtype != logits.dtype):
        raise RuntimeError(
            f"weight must be ({classes},) {logits.dtype} for logits {logits.shape}, got {_named(weight)}"
        )


def _check_labels(logits: Array, target: Array) -> None:
    expected = (logits.shape[:1] + logits.shape[2:]) if logits.ndim > 1 else ()
    if target.dtype not in (np.int64, np.uint8):
        raise RuntimeError(f"target must hold int64 class labels, got {_named(target)} for logits {logits.shape}")
    if target.shape != expected:
        other_number = target.shape[:1] != expected[:1]
        error = ValueError if other_number else RuntimeError
        raise error(f"target must have shape {expected} for logits {logits.shape}, got {target.shape}")


def _named(x: Array) -> str:
    return f"{x.dtype} {x.shape}"


def _class_last(x: Array, axis: int) -> Array:
    """Return ``x`` as C-contiguous (R, C) with C the size of ``axis``."""
    moved = np.ascontiguousarray(x if axis == x.ndim - 1 else np.moveaxis(x, axis, -1))
    return moved.reshape(x.size // max(x.shape[axis], 1), x.shape[axis])


def _class_back(rows: Array, shape: tuple[int, ...], axis: int) -> Array:
    """Undo :func:`_class_last` without copying."""
    if axis == len(shape) - 1:
        return rows.reshape(shape)
    others = [size for i, size in enumerate(shape) if i != axis]
    return np.moveaxis(rows.reshape(*others, shape[axis]), -1, axis)


class Result(NamedTuple):
    """The result as (R, C), the shape of the operand, and the axis."""

    y: Array
    shape: tuple[int, ...]
    dim: int


class _LogSoftmax:
    """``x - log sum exp x`` along one axis."""

    name = "log_softmax"
    _forward = staticmethod(kernels.log_softmax)
    _gradient = staticmethod(kernels.log_softmax_gradient)

    def forward(self, x: Array, *, dim: int) -> tuple[Array, Result]:
        """Return the result; IndexError for an axis that does not exist, RuntimeError for integers."""
        if not is_floating(x):
            raise RuntimeError(f"{self.name} needs float32 or float64, got {_named(x)}")
        axis = (*checked_dims(dim, x.shape), 0)[0]
        shape = x.shape or (1,)
        scores = _class_last(x.reshape(shape), axis)
        y = empty(scores.shape, x.dtype)
        if y.size:
            self._forward(scores, y)
        return _class_back(y, shape, axis).reshape(x.shape), Result(y, x.shape, axis)

    def backward(self, saved: Result, dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None]:
        """Return the gradient of the operand."""
        if not needs[0]:
            return (None,)
        y, shape, axis = saved
        dx = empty(y.shape, y.dtype)
        if y.size:
            self._gradient(y, _class_last(dy.reshape(shape or (1,)), axis), dx)
        return (_class_back(dx, shape or (1,), axis).reshape(shape),)


class _Softmax(_LogSoftmax):
    """``exp x / sum exp x`` along one axis."""

    name = "softmax"
    _forward = staticmethod(kernels.softmax)
    _gradient = staticmethod(kernels.softmax_gradient)


LOG_SOFTMAX = _LogSoftmax()
SOFTMAX = _Softmax()

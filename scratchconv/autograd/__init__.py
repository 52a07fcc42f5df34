"""Tensors, the graph that records what was done to them, and the backward pass through it."""

from scratchconv.autograd.modes import enable_grad, is_grad_enabled, no_grad
from scratchconv.autograd.tensor import Tensor, apply

__all__ = ["Tensor", "apply", "enable_grad", "is_grad_enabled", "no_grad"]

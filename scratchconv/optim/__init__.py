"""Optimizers and learning-rate schedules, with PyTorch's names and formulas."""

from scratchconv.optim import lr_scheduler
from scratchconv.optim.adam import Adam
from scratchconv.optim.optimizer import Optimizer
from scratchconv.optim.sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer", "lr_scheduler"]

"""Learning rates that change with the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scratchconv.optim.optimizer import Optimizer


class StepLR:
    """Multiply every group's learning rate by ``gamma`` after each ``step_size`` calls of :meth:`step`.

    Call ``step()`` once an epoch, after the optimizer's. The rate found in the group is what is multiplied, so a rate
    set by hand stays in effect. The article's schedule is ``StepLR(optimizer, step_size=20, gamma=1 / 3)``.

    Parameters
    ----------
    optimizer
        Its ``param_groups`` are changed, and get an ``"initial_lr"``.
    step_size
        Epochs between two changes.
    gamma
        The factor.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"a scheduler needs an Optimizer, got {type(optimizer)}")
        if step_size < 1:
            raise ValueError(f"step_size must be at least 1, got {step_size}")
        self.optimizer = optimizer
        self.step_size = step_size
        self.gamma = gamma
        self.last_epoch = 0
        self.base_lrs = [group.setdefault("initial_lr", group["lr"]) for group in optimizer.param_groups]

    def step(self) -> None:
        """Count one more epoch and change the learning rates if it is their turn."""
        self.last_epoch += 1
        if self.last_epoch % self.step_size == 0:
            for group in self.optimizer.param_groups:
                group["lr"] *= self.gamma

    def get_last_lr(self) -> list[float]:
        """Return the current learning rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return all but the optimizer (whose own state_dict holds the learning rates)."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from what ``state_dict()`` returned; load the optimizer's as well."""
        vars(self).update({name: state_dict[name] for name in self.state_dict()})

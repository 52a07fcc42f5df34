"""Adam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scratchconv.autograd import Tensor
from scratchconv.ops import optimizer as update
from scratchconv.ops._op import Array
from scratchconv.optim.optimizer import Group, Optimizer, zeros_beside


class Adam(Optimizer):
    """θ ← θ − lr·m̂ / (√v̂ + eps), with the running mean m of the gradient and v of its square.

    g = dθ + weight_decay·θ;  m ← β₁m + (1 − β₁)g;  v ← β₂v + (1 − β₂)g²;  m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ), where t
    counts the steps of each parameter. Kingma & Ba, arXiv:1412.6980, algorithm 1.

    Raises
    ------
    ValueError
        If lr, eps or weight_decay is negative, or a beta lies outside [0, 1).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def _check(self, settings: Group) -> None:
        for name in ("lr", "eps", "weight_decay"):
            if settings[name] < 0:
                raise ValueError(f"{name} must not be negative, got {settings[name]}")
        for beta in settings["betas"]:
            if not 0 <= beta < 1:
                raise ValueError(f"both betas must lie in [0, 1), got {settings['betas']}")

    def _update_group(self, group: Group, gradients: dict[Tensor, Array]) -> None:
        by_step: dict[int, list[Tensor]] = {}  # parameters that were left out of some steps count differently
        for param in gradients:
            by_step.setdefault(self._count_step(param), []).append(param)
        for step, part in by_step.items():
            update.adam(
                [param.data for param in part],
                [gradients[param] for param in part],
                [self.state[param]["exp_avg"].data for param in part],
                [self.state[param]["exp_avg_sq"].data for param in part],
                step=step,
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                eps=group["eps"],
                weight_decay=group["weight_decay"],
                tables=self._tables_of(group) if len(by_step) == 1 else None,
            )

    def _count_step(self, param: Tensor) -> int:
        """Count one more step of ``param``, its first with fresh averages, and return how many there were."""
        if param not in self.state:
            self.state[param] = {"step": 0, "exp_avg": zeros_beside(param), "exp_avg_sq": zeros_beside(param)}
        entry = self.state[param]
        entry["step"] += 1
        return int(entry["step"])

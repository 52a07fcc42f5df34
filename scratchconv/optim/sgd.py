"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scratchconv.autograd import Tensor
from scratchconv.ops import optimizer as update
from scratchconv.ops._op import Array
from scratchconv.optim.optimizer import Group, Optimizer, zeros_beside


class SGD(Optimizer):
    """θ ← θ − lr·d, where d is the gradient, with weight decay and momentum if asked for.

    g = dθ + weight_decay·θ;  m ← momentum·m + (1 − dampening)·g, from m = g at the first step;  d = m, or
    g + momentum·m with ``nesterov``. Without momentum d = g. Sutskever et al. 2013, in PyTorch's form, where lr
    multiplies the momentum too.

    Raises
    ------
    ValueError
        If lr, momentum or weight_decay is negative, or ``nesterov`` comes without momentum or with dampening.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
        }
        super().__init__(params, defaults)

    def _check(self, settings: Group) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            if settings[name] < 0:
                raise ValueError(f"{name} must not be negative, got {settings[name]}")
        if settings["nesterov"] and (settings["momentum"] <= 0 or settings["dampening"] != 0):
            raise ValueError(
                "nesterov needs a momentum above 0 and no dampening, got "
                f"momentum={settings['momentum']}, dampening={settings['dampening']}"
            )

    def _update_group(self, group: Group, gradients: dict[Tensor, Array]) -> None:
        fresh = [param for param in gradients if param not in self.state]
        stepped = [param for param in gradients if param in self.state]
        for first, part in ((True, fresh), (False, stepped)):
            if part:
                update.sgd(
                    [param.data for param in part],
                    [gradients[param] for param in part],
                    [self._momentum_of(param) for param in part] if group["momentum"] else [],
                    lr=group["lr"],
                    momentum=group["momentum"],
                    dampening=group["dampening"],
                    nesterov=group["nesterov"],
                    weight_decay=group["weight_decay"],
                    first=first,
                    tables=self._tables_of(group) if len(part) == len(gradients) else None,
                )

    def _momentum_of(self, param: Tensor) -> Array:
        """Return the momentum of ``param``, from its first step on."""
        if param not in self.state:
            self.state[param] = {"momentum_buffer": zeros_beside(param)}
        momentum: Tensor = self.state[param]["momentum_buffer"]
        return momentum.data

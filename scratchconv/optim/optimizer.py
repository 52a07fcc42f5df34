"""What all optimizers share: parameter groups, state per parameter, saving and loading both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from scratchconv.autograd import Tensor
from scratchconv.ops._memory import empty_like
from scratchconv.ops._op import Array
from scratchconv.ops.optimizer import Tables

Group = dict[str, Any]


class Optimizer:
    """Base of the optimizers; a subclass writes ``_update_group``.

    Parameters
    ----------
    params
        Tensors, or dicts ``{"params": tensors, "lr": …}``: groups with settings of their own.
    defaults
        Settings of the groups that do not name them.

    Attributes
    ----------
    param_groups : list of dict
        ``"params"`` (a list of tensors) and the group's settings; change ``group["lr"]`` at any time.
    state : dict
        For each parameter that has been stepped, a dict from names to tensors (and, for counts, numbers).
    """

    def __init__(self, params: Iterable[Any], defaults: Mapping[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError("an optimizer takes an iterable of tensors or of group dicts, got a single Tensor")
        self.defaults = dict(defaults)
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        self._tables: dict[int, Tables] = {}
        given = list(params)
        if not given:
            raise ValueError("an optimizer needs at least one parameter, got an empty list")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add ``{"params": tensors, …}``; settings it lacks come from the defaults.

        Raises TypeError unless all are tensors, ValueError for one that is not a leaf, or is there already.
        """
        params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        known = {id(param) for present in self.param_groups for param in present["params"]}
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"an optimizer takes tensors, got {type(param)}")
            if not param.is_leaf:
                raise ValueError(f"an optimizer takes leaf tensors, got an operation's result of shape {param.shape}")
            if id(param) in known:
                raise ValueError(f"the parameter of shape {param.shape} appears more than once")
            known.add(id(param))
        settings = {**self.defaults, **group, "params": params}
        self._check(settings)
        self.param_groups.append(settings)

    def _check(self, settings: Group) -> None:
        """Raise ValueError for settings out of range."""

    def zero_grad(self) -> None:
        """Drop the gradient of every parameter."""
        for group in self.param_groups:
            for param in group["params"]:
                param.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient, in place."""
        for group in self.param_groups:
            gradients = {param: param.grad.data for param in group["params"] if param.grad is not None}
            self._update_group(group, gradients)
            for param in gradients:
                param._version.bump(param.data)

    def _update_group(self, group: Group, gradients: dict[Tensor, Array]) -> None:
        """Update the parameters that are the keys of ``gradients`` by the settings of ``group``."""
        raise NotImplementedError(f"{type(self).__name__} has no update rule")

    def _tables_of(self, group: Group) -> Tables:
        """Return what is known of the memory of a group's parameters."""
        return self._tables.setdefault(id(group), Tables())

    def state_dict(self) -> dict[str, Any]:
        """Return ``{"state": …, "param_groups": …}``; parameters are replaced by their number over all groups.

        Tensors in it are those of the optimizer, not copies.
        """
        number = {id(param): i for i, param in enumerate(self._all_params())}
        groups = [
            {**{k: v for k, v in group.items() if k != "params"}, "params": [number[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        return {"state": {number[id(p)]: dict(entry) for p, entry in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over groups' settings and parameters' state, copying the tensors, from ``state_dict()``.

        Parameters correspond by position. Raises ValueError if the numbers of groups or of parameters differ, or if
        the state of a parameter has another shape.
        """
        saved = state_dict["param_groups"]
        sizes, saved_sizes = ([len(group["params"]) for group in groups] for groups in (self.param_groups, saved))
        if sizes != saved_sizes:
            raise ValueError(f"the optimizer has groups of {sizes} parameters, the state_dict groups of {saved_sizes}")
        numbers = [number for group in saved for number in group["params"]]
        param_of = dict(zip(numbers, self._all_params(), strict=True))
        self.state = {
            param_of[number]: {name: _fitted(name, value, param_of[number]) for name, value in entry.items()}
            for number, entry in state_dict["state"].items()
        }
        for group, settings in zip(self.param_groups, saved, strict=True):
            group.update({name: value for name, value in settings.items() if name != "params"})

    def _all_params(self) -> list[Tensor]:
        """Return the parameters of all groups in order."""
        return [param for group in self.param_groups for param in group["params"]]

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines += [f"Parameter Group {i}", *(f"    {k}: {group[k]}" for k in sorted(group) if k != "params")]
        return "\n".join([*lines, ")"])


def zeros_beside(param: Tensor) -> Tensor:
    """Return zeros with the shape, dtype and memory order of ``param``, so that updates walk both in step."""
    data = empty_like(param.data)
    data[...] = 0
    return Tensor(data)


def _fitted(name: str, value: Any, param: Tensor) -> Any:
    """Return a loaded piece of state as the optimizer keeps it: a number for a count, else a copy beside ``param``."""
    array = value.data if isinstance(value, Tensor) else np.asarray(value)
    if name == "step":
        return int(array.item())
    if array.shape != param.shape:
        raise ValueError(f"{name} of shape {array.shape} does not fit a parameter of shape {param.shape}")
    copy = zeros_beside(param)
    copy.data[...] = array
    return copy

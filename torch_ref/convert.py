"""Weights from scratchconv to PyTorch and back, between modules and as safetensors files.

Both libraries use the same names and shapes, so nothing is renamed or transposed. Conversion is strict: every name,
shape and dtype must agree, or nothing is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file

import scratchconv as sc

Array = npt.NDArray[Any]
State = dict[str, Array]


def torch_state(module: torch.nn.Module) -> State:
    """Parameters and buffers of a PyTorch module, copied to C-contiguous arrays."""
    return {name: np.array(value.detach().numpy(), order="C") for name, value in module.state_dict().items()}


def scratchconv_state(module: sc.nn.Module) -> State:
    """Parameters and buffers of a scratchconv module, copied to C-contiguous arrays."""
    return {name: np.array(value.detach().numpy(), order="C") for name, value in module.state_dict().items()}


def load_torch(module: torch.nn.Module, state: Mapping[str, Array]) -> None:
    """Copy ``state`` into a PyTorch module.

    Raises
    ------
    ValueError
        If a name is missing or unexpected, or a shape or dtype differs; the message lists all of them.
    """
    check(state, torch_state(module), type(module).__name__)
    module.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in state.items()})


def load_scratchconv(module: sc.nn.Module, state: Mapping[str, Array]) -> None:
    """Copy ``state`` into a scratchconv module; raises as ``load_torch`` does."""
    check(state, scratchconv_state(module), type(module).__name__)
    module.load_state_dict({name: sc.tensor(value) for name, value in state.items()})


def to_torch(source: sc.nn.Module, target: torch.nn.Module) -> None:
    """Give ``target`` the weights of ``source``; raises as ``load_torch`` does."""
    load_torch(target, scratchconv_state(source))


def to_scratchconv(source: torch.nn.Module, target: sc.nn.Module) -> None:
    """Give ``target`` the weights of ``source``; raises as ``load_torch`` does."""
    load_scratchconv(target, torch_state(source))


def save(module: torch.nn.Module | sc.nn.Module, path: Path | str) -> None:
    """Write the weights of a module of either library as a safetensors file that both can read."""
    state = torch_state(module) if isinstance(module, torch.nn.Module) else scratchconv_state(module)
    save_file(state, path)


def load(module: torch.nn.Module | sc.nn.Module, path: Path | str) -> None:
    """Read a safetensors file written from either library into a module of either; raises as ``load_torch`` does."""
    state = load_file(path)
    if isinstance(module, torch.nn.Module):
        load_torch(module, state)
    else:
        load_scratchconv(module, state)


def check(state: Mapping[str, Array], expected: Mapping[str, Array], model: str) -> None:
    """Raise ValueError unless ``state`` has exactly the names, shapes and dtypes of ``expected``."""
    problems = [f"missing {name}, {_describe(expected[name])}" for name in expected if name not in state]
    problems += [f"unexpected {name}, {_describe(state[name])}" for name in state if name not in expected]
    problems += [
        f"{name} is {_describe(state[name])}, but the module has {_describe(expected[name])}"
        for name in expected
        if name in state and _describe(state[name]) != _describe(expected[name])
    ]
    if problems:
        raise ValueError(f"these weights do not fit {model}: " + "; ".join(problems))


def _describe(array: Array) -> str:
    return f"{array.dtype}{list(array.shape)}"

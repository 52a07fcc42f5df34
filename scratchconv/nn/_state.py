"""Reading a module's state out and putting one back: the work behind ``state_dict`` and ``load_state_dict``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from scratchconv.autograd import Tensor
from scratchconv.nn._parameter import overwrite
from scratchconv.ops._memory import empty_like

if TYPE_CHECKING:
    from scratchconv.nn._module import Module


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict(strict=False)`` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def collect(module: Module) -> dict[str, Tensor]:
    """Return every parameter and persistent buffer by its dotted name; a shared tensor appears under each name.

    The order is PyTorch's: for each module its parameters, its buffers, then its children.
    """
    state: dict[str, Tensor] = {}
    for path, owner in module.named_modules(remove_duplicate=False):
        prefix = path + "." if path else ""
        lasting = {name: buffer for name, buffer in owner._buffers.items() if name not in owner._transient}
        for name, tensor in [*owner._parameters.items(), *lasting.items()]:
            if tensor is not None:
                state[prefix + name] = tensor
    return state


def load(module: Module, state: Mapping[str, Any], *, strict: bool) -> IncompatibleKeys:
    """Copy ``state`` (tensors or arrays) into the module's own memory; all or nothing.

    Raises RuntimeError that lists every shape that does not fit and, if ``strict``, every missing and unexpected key.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"a state_dict is a mapping from names to tensors, got {type(state).__name__}")
    own = collect(module)
    arrays = {name: as_array(value) for name, value in state.items() if name in own}
    keys = IncompatibleKeys([n for n in own if n not in state], [n for n in state if n not in own])
    problems = _key_problems(keys) if strict else []
    problems += [
        f"shape mismatch for {name}: the model has {own[name].shape}, the state has {array.shape}"
        for name, array in arrays.items()
        if own[name].shape != array.shape
    ]
    if problems:
        raise RuntimeError("\n\t".join([f"cannot load this state_dict into {type(module).__name__}:", *problems]))
    for name, array in arrays.items():
        overwrite(own[name], array)
    return keys


def convert(module: Module, dtype: np.dtype[Any]) -> None:
    """Give every floating-point parameter, gradient and buffer new memory of ``dtype``, in the same memory order."""
    if dtype.kind != "f":
        raise TypeError(f"a module can only be converted to a floating-point dtype, got {dtype}")
    tensors = [*module.parameters(), *module.buffers()]
    tensors += [param.grad for param in module.parameters() if param.grad is not None]
    for tensor in tensors:
        if tensor.dtype.kind == "f" and tensor.dtype != dtype:
            converted = empty_like(tensor.data, dtype)
            converted[...] = tensor.data
            tensor.data = converted


def as_array(value: Any) -> npt.NDArray[Any]:
    """Return the array behind a Tensor, or what NumPy makes of anything else (other libraries' tensors, too)."""
    return value.data if isinstance(value, Tensor) else np.asarray(value)


def _key_problems(keys: IncompatibleKeys) -> list[str]:
    """Describe missing and unexpected keys, one line each."""
    kinds = (("missing keys", keys.missing_keys), ("unexpected keys", keys.unexpected_keys))
    return [f"{kind}: {', '.join(names)}" for kind, names in kinds if names]

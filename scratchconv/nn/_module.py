"""The base class of every layer and model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from scratchconv.autograd import Tensor
from scratchconv.nn import _state
from scratchconv.nn._hooks import HookTable, RemovableHandle
from scratchconv.nn._parameter import Parameter
from scratchconv.nn._registry import Registry


class Module(Registry):
    """A layer or model: assign Parameters, Modules and buffers as attributes, and write ``forward``.

    Assignment is registration: a :class:`Parameter` or :class:`Module` set as an attribute goes into a table of the
    module, from where ``parameters()``, ``state_dict()``, ``train()`` and the rest find it. ``__init__`` of a subclass
    calls ``super().__init__()`` first.

    Examples
    --------
    >>> class Twice(Module):
    ...     def forward(self, x):
    ...         return x + x
    >>> Twice()(21)
    42
    """

    training: bool
    _forward_hooks: HookTable
    _forward_pre_hooks: HookTable

    def __init__(self) -> None:
        super().__init__()
        self.training = True
        self._forward_hooks = HookTable()
        self._forward_pre_hooks = HookTable()

    # Calling

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass writes its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for hook in tuple(self._forward_pre_hooks.values()):
            changed = hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        output = self.forward(*args, **kwargs)
        for hook in tuple(self._forward_hooks.values()):
            changed = hook(self, args, output)
            if changed is not None:
                output = changed
        return output

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, args)`` before each forward; what it returns, unless None, replaces the arguments."""
        return self._forward_pre_hooks.register(hook)

    def register_forward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after each forward; what it returns, unless None, replaces the output."""
        return self._forward_hooks.register(hook)

    # Traversal

    def children(self) -> Iterator[Module]:
        """Yield the direct children."""
        return (module for _, module in self.named_children())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) of the direct children, each module once."""
        seen: set[int] = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it."""
        return (module for _, module in self.named_modules())

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """Yield (dotted path, module) for this module and all below it, parents first."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if remove_duplicate:
                if id(module) in seen:
                    continue
                seen.add(id(module))
            yield path, module
            dot = path + "." if path else ""
            stack += [(dot + name, child) for name, child in reversed(module._modules.items()) if child is not None]

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield every parameter once."""
        return (param for _, param in self.named_parameters(recurse=recurse))

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield (dotted name, parameter); a shared parameter comes once, under its first name."""
        return self._named_entries("_parameters", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield every buffer once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield (dotted name, buffer); a shared buffer comes once, under its first name."""
        return self._named_entries("_buffers", prefix, recurse, remove_duplicate)

    def _named_entries(self, kind: str, prefix: str, recurse: bool, unique: bool) -> Iterator[tuple[str, Any]]:
        """Yield the entries of one table, of this module or of all below it."""
        seen: set[int] = set()
        owners = self.named_modules(prefix, remove_duplicate=unique) if recurse else iter([(prefix, self)])
        for path, owner in owners:
            for name, entry in owner.__dict__[kind].items():
                if entry is None or (unique and id(entry) in seen):
                    continue
                seen.add(id(entry))
                yield (f"{path}.{name}" if path else name), entry

    # State

    def state_dict(self) -> dict[str, Tensor]:
        """Return parameters and persistent buffers by dotted name, detached but sharing the module's memory."""
        return {name: tensor.detach() for name, tensor in _state.collect(self).items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> _state.IncompatibleKeys:
        """Copy ``state_dict`` (tensors or arrays by dotted name) into this module's memory, which keeps its layout.

        Nothing is copied unless everything fits. Raises RuntimeError that lists every shape that does not fit and, if
        ``strict``, every missing and every unexpected key; otherwise returns the keys that were passed over.
        """
        return _state.load(self, state_dict, strict=strict)

    # Modes and bulk changes

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all below it to training mode (or, with False, to evaluation)."""
        if not isinstance(mode, bool):
            raise ValueError(f"training mode is a bool, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch this module and all below it to evaluation mode."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set ``requires_grad`` of every parameter."""
        for param in self.parameters():
            param.requires_grad = requires_grad
        return self

    def zero_grad(self) -> None:
        """Drop the gradient of every parameter."""
        for param in self.parameters():
            param.grad = None

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` on every module below this one, children first, and on this one last."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(self, dtype: npt.DTypeLike) -> Self:
        """Convert floating-point parameters, their gradients and buffers to ``dtype``, each within its own object."""
        _state.convert(self, np.dtype(dtype))
        return self

    def float(self) -> Self:
        """Convert to float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Convert to float64."""
        return self.to(np.float64)

    # Text

    def extra_repr(self) -> str:
        """Return what the parentheses of the module's own line show."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [f"({label}): " + text.replace("\n", "\n  ") for label, text in self._children_text()]
        if not children:
            return f"{type(self).__name__}({extra})"
        return "\n  ".join([f"{type(self).__name__}({extra}", *children]) + "\n)"

    def _children_text(self) -> list[tuple[str, str]]:
        """Return label and text of each child."""
        return [(name, repr(module)) for name, module in self._modules.items()]

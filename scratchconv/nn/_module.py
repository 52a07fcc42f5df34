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


class Module:
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
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _transient: set[str]  # names of the buffers that state_dict leaves out
    _forward_hooks: HookTable
    _forward_pre_hooks: HookTable

    def __init__(self) -> None:
        # Straight into __dict__, because __setattr__ itself consults these tables.
        self.__dict__.update(training=True, _parameters={}, _buffers={}, _modules={}, _transient=set())
        self.__dict__.update(_forward_hooks=HookTable(), _forward_pre_hooks=HookTable())

    # -- calling ------------------------------------------------------------------------------------------------------

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

    # -- attributes ---------------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # Reached only when ordinary lookup has failed.
        for table in ("_parameters", "_buffers", "_modules"):
            entries = self.__dict__.get(table)
            if entries is not None and name in entries:
                return entries[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._make_room(name, self._table("_parameters"))
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._make_room(name, self._table("_modules"))
            self.add_module(name, value)
        else:
            self._set_plain(name, value)

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                self._transient.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def _table(self, kind: str) -> dict[str, Any]:
        """Return one of the tables, or explain that ``__init__`` has not made it yet."""
        if kind not in self.__dict__:
            raise AttributeError(f"call super().__init__() in {type(self).__name__}.__init__ before assigning to {kind}")
        table: dict[str, Any] = self.__dict__[kind]
        return table

    def _make_room(self, name: str, keep: dict[str, Any]) -> None:
        """Forget ``name`` everywhere but in the table ``keep``, where its place in the order matters."""
        self.__dict__.pop(name, None)
        for kind in ("_parameters", "_buffers", "_modules"):
            table = self._table(kind)
            if table is not keep:
                table.pop(name, None)

    def _set_plain(self, name: str, value: Any) -> None:
        """Assign anything that is no Parameter or Module; a registered name accepts its own kind or None only."""
        kinds: tuple[tuple[str, str, type], ...] = (
            ("_parameters", "Parameter", Parameter),
            ("_buffers", "Tensor", Tensor),
            ("_modules", "Module", Module),
        )
        for kind, wanted, cls in kinds:
            table = self.__dict__.get(kind)
            if table is not None and name in table:
                if value is not None and not isinstance(value, cls):
                    raise TypeError(f"{name!r} is registered as a {wanted}: assign a {wanted} or None, not {type(value)}")
                table[name] = value
                return
        object.__setattr__(self, name, value)

    # -- registration -------------------------------------------------------------------------------------------------

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None keeps the name in its place but holds nothing (a layer without bias)."""
        self._check_name(name, self._table("_parameters"))
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"parameter {name!r} must be a Parameter or None, got {type(param)}")
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the state but is not trained; ``persistent=False`` keeps it out of state_dict."""
        self._check_name(name, self._table("_buffers"))
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"buffer {name!r} must be a Tensor or None, got {type(tensor)}")
        self._buffers[name] = tensor
        (self._transient.discard if persistent else self._transient.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child under ``name``; None keeps the name in its place but holds nothing."""
        self._check_name(name, self._table("_modules"))
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"child {name!r} must be a Module or None, got {type(module)}")
        self._modules[name] = module

    def _check_name(self, name: str, table: dict[str, Any]) -> None:
        """Raise unless ``name`` can become an entry of ``table``."""
        if not isinstance(name, str):
            raise TypeError(f"the name of a parameter, buffer or child must be a string, got {type(name)}")
        if not name or "." in name:
            raise KeyError(f"the name of a parameter, buffer or child must be non-empty and without dots, got {name!r}")
        if name not in table and hasattr(self, name):
            raise KeyError(f"{type(self).__name__} already has an attribute {name!r}")

    # -- traversal ----------------------------------------------------------------------------------------------------

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

    # -- state --------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """Return parameters and persistent buffers by dotted name, detached but sharing the module's memory."""
        return {name: tensor.detach() for name, tensor in _state.collect(self).items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> _state.IncompatibleKeys:
        """Copy ``state_dict`` (tensors or arrays by dotted name) into this module's memory, which keeps its layout.

        Nothing is copied unless everything fits. Raises RuntimeError that lists every shape that does not fit and, if
        ``strict``, every missing and every unexpected key; otherwise returns the keys that were passed over.
        """
        return _state.load(self, state_dict, strict=strict)

    # -- modes and bulk changes ---------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all below it to training mode (or, with False, to evaluation)."""
        if not isinstance(mode, bool):
            raise ValueError(f"training mode is a bool, got {mode!r}")
        for module in self.modules():
            module.__dict__["training"] = mode
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
        """Convert floating-point parameters, their gradients and buffers to ``dtype``; parameters stay the same objects."""
        _state.convert(self, np.dtype(dtype))
        return self

    def float(self) -> Self:
        """Convert to float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Convert to float64."""
        return self.to(np.float64)

    # -- text ---------------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Return what the parentheses of the module's own line show."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [f"({name}): " + repr(module).replace("\n", "\n  ") for name, module in self._modules.items()]
        if not children:
            return f"{type(self).__name__}({extra})"
        return "\n  ".join([f"{type(self).__name__}({extra}", *children]) + "\n)"

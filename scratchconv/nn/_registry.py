"""How assignment becomes registration: the tables behind a module's attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from scratchconv.autograd import Tensor
from scratchconv.nn._parameter import Parameter

if TYPE_CHECKING:
    from scratchconv.nn._module import Module


class Registry:
    """Keeps parameters, buffers and children in ordered tables and shows their entries as attributes.

    ``_parameters``, ``_buffers`` and ``_modules`` map names to entries; an entry of None holds a place (a layer made
    without its bias). Everything else is an ordinary attribute.
    """

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _transient: set[str]  # names of the buffers that state_dict leaves out

    def __init__(self) -> None:
        # Straight into __dict__, because __setattr__ itself consults these tables.
        self.__dict__.update(_parameters={}, _buffers={}, _modules={}, _transient=set())

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
        elif isinstance(value, Registry) and name not in self._table("_parameters"):
            self._make_room(name, self._table("_modules"))
            self.add_module(name, cast("Module", value))
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
            raise AttributeError(
                f"call super().__init__() in {type(self).__name__}.__init__ before assigning to {kind}"
            )
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
            ("_modules", "Module", Registry),
        )
        for kind, wanted, cls in kinds:
            table = self.__dict__.get(kind)
            if table is not None and name in table:
                if value is not None and not isinstance(value, cls):
                    raise TypeError(
                        f"{name!r} is registered as a {wanted}: assign a {wanted} or None, not {type(value)}"
                    )
                table[name] = value
                return
        object.__setattr__(self, name, value)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None keeps the name in its place but holds nothing (a layer without bias)."""
        self._check_name(name, self._table("_parameters"))
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"parameter {name!r} must be a Parameter or None, got {type(param)}")
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is part of the state but not trained; ``persistent=False`` keeps it out of state_dict."""
        self._check_name(name, self._table("_buffers"))
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"buffer {name!r} must be a Tensor or None, got {type(tensor)}")
        self._buffers[name] = tensor
        (self._transient.discard if persistent else self._transient.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child under ``name``; None keeps the name in its place but holds nothing."""
        self._check_name(name, self._table("_modules"))
        if module is not None and not isinstance(module, Registry):
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

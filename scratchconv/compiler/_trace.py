"""Run a model's Python once, on tensors without contents, and write down its operations.

The arrays of traced tensors know their shape and dtype only. Whoever asks for their numbers, to decide what to do next,
gets an error: a plan is replayed with other numbers, and would not notice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from scratchconv.autograd import Tensor, modes, random
from scratchconv.autograd._core import TensorCore
from scratchconv.autograd.tensor import wrap
from scratchconv.compiler._graph import Graph, Node, Value
from scratchconv.compiler._shapes import result_of
from scratchconv.ops._op import Op

_HARMLESS = {np.result_type, np.shape, np.ndim, np.size}  # these look at shapes and dtypes only


class TraceError(RuntimeError):
    """A model that cannot be compiled, and why."""


def _refuse(what: str) -> NoReturn:
    raise TraceError(
        f"sc.compile cannot follow {what}: it depends on the numbers in a tensor, and a plan is replayed with others. "
        "Call the model itself (eager mode), or compile a part of it without this."
    )


class Placeholder(np.ndarray[Any, Any]):
    """An array with a shape, a dtype and no contents."""

    value: Value | None

    def __array_finalize__(self, source: Any) -> None:
        self.value = None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        _refuse(f"numpy.{ufunc.__name__} of a traced tensor's array")

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in _HARMLESS:
            return super().__array_function__(function, types, args, kwargs)
        return _refuse(f"numpy.{function.__name__} of a traced tensor's array")

    def __getitem__(self, index: Any) -> Any:
        _refuse("indexing a traced tensor's array")

    def __bool__(self) -> bool:
        return _refuse("a truth value of a traced tensor")

    def __float__(self) -> float:
        return _refuse("float() of a traced tensor")

    def __int__(self) -> int:
        return _refuse("int() of a traced tensor")

    __index__ = __int__

    def item(self, *args: Any) -> Any:
        """Refuse."""
        return _refuse("item() of a traced tensor")

    def tolist(self) -> Any:
        """Refuse."""
        return _refuse("tolist() of a traced tensor")


def placeholder(value: Value) -> Placeholder:
    """Return an array that stands for ``value``."""
    array = np.ndarray(value.shape, value.dtype, bytes(value.dtype.itemsize), 0, (0,) * len(value.shape))
    marked = array.view(Placeholder)
    marked.value = value
    return marked


def _has_placeholder(value: Any) -> bool:
    """Whether a parameter of an operation (an index, a target) is, or contains, the array of a traced tensor."""
    if isinstance(value, (tuple, list)):
        return any(_has_placeholder(item) for item in value)
    return isinstance(value, Placeholder)


class Tracer:
    """Takes the place of autograd's recording while a model is traced."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.inputs: list[Value] = []
        self.leaves: dict[int, Value] = {}
        self.nodes: list[Node] = []
        self._histories: set[int] = set()  # ids of tensors with a place in the graph; detached ones are not in it
        self._alive: list[Any] = []

    def new_input(self, x: Tensor) -> Tensor:
        """Return the tensor that stands for an argument."""
        value = self._value(x.shape, x.dtype, x.requires_grad)
        self.inputs.append(value)
        stand_in = wrap(placeholder(value))
        self._remember(stand_in)
        return stand_in

    def record(self, make: Callable[..., Any], op: Op, inputs: Sequence[Any], params: dict[str, Any]) -> Any:
        """Write down an operation and return what stands for its result."""
        return self._remember(make(placeholder(self._node(op, inputs, params).output)))

    def record_view(self, make: Callable[..., Any], op: Op, x: Any, params: dict[str, Any]) -> Any:
        """Likewise, for an operation that may return a view."""
        node = self._node(op, (x,), params)
        node.is_view = True
        return self._remember(make(placeholder(node.output)))

    def record_in_place(self, x: TensorCore, op: Op, others: Sequence[Any], params: dict[str, Any]) -> None:
        """Write down a change of ``x``, which from now on stands for the result."""
        value = x.data.value if isinstance(x.data, Placeholder) else None
        if value is None:
            raise TraceError(
                f"sc.compile cannot follow an in-place change of a tensor (shape {x.data.shape}) from outside; "
                "every replay would have to repeat it; call the model itself (eager mode)"
            )
        views = [value.producer, *value.consumers]
        if any(node is not None and node.is_view for node in views):
            raise TraceError(
                f"sc.compile cannot follow an in-place change (shape {x.data.shape}) of memory that a view shows; "
                "use the out-of-place operation, or call the model itself (eager mode)"
            )
        node = self._node(op, (x, *others), params)
        node.in_place = True
        x.data = placeholder(node.output)
        self._remember(x)

    def numbers(self, x: TensorCore) -> None:
        """Hear that someone wants to see the numbers in ``x``; those of a model's constants may be seen."""
        if isinstance(x.data, Placeholder):
            _refuse("numpy() of a traced tensor")

    def unrecorded(self, x: TensorCore, found: Any) -> Any:
        """Return ``found``, numbers made of those in ``x`` by no recorded operation; who uses them is refused."""
        return np.asarray(found).view(Placeholder) if isinstance(x.data, Placeholder) else found

    def _node(self, op: Op, inputs: Sequence[Any], params: dict[str, Any]) -> Node:
        if any(_has_placeholder(value) for value in params.values()):
            _refuse(f"{', '.join(params)} taken from a traced tensor")
        values = [self._input(x) for x in inputs]
        shape, dtype = result_of(op, values, params)
        wanted = modes.is_grad_enabled() and dtype.kind == "f"
        needs = wanted and any(
            isinstance(v, Value) and v.needs_grad and self._has_history(x) for v, x in zip(values, inputs, strict=True)
        )
        node = Node(op, values, params, self._value(shape, dtype, needs))
        node.output.producer = node
        for value in values:
            if isinstance(value, Value):
                value.consumers.append(node)
        self.nodes.append(node)
        return node

    def _input(self, x: Any) -> Any:
        """Return the value of a tensor; arrays and None stay."""
        if not isinstance(x, TensorCore):
            return x if not isinstance(x, Placeholder) else _refuse("a traced tensor's array as an operand")
        if isinstance(x.data, Placeholder):
            return x.data.value or _refuse("a rearranged array of a traced tensor")
        if id(x) not in self.leaves:
            self._alive.append(x)
            self.leaves[id(x)] = self._value(x.data.shape, x.data.dtype, bool(x._requires_grad), leaf=x)
        return self.leaves[id(x)]

    def _has_history(self, x: Any) -> bool:
        return id(x) in self._histories or not isinstance(x.data, Placeholder)

    def _value(self, shape: tuple[int, ...], dtype: Any, needs_grad: bool, leaf: Any = None) -> Value:
        value = Value(len(self.values), tuple(shape), np.dtype(dtype), needs_grad, leaf)
        self.values.append(value)
        return value

    def _remember(self, x: Any) -> Any:
        value = x.data.value
        x._requires_grad = value.needs_grad
        self._histories.add(id(x))
        self._alive.append(x)
        return x


def trace(model: Callable[..., Any], arguments: Sequence[Tensor]) -> Graph:
    """Trace ``model(*arguments)``; the arguments' numbers are not looked at.

    Raises
    ------
    TraceError
        If the call depends on numbers, draws random ones, changes what is outside, or returns no single tensor.
    """
    tracer = Tracer()
    state = random.generator().bit_generator.state
    with modes.tracing(tracer):
        result = model(*[tracer.new_input(x) for x in arguments])
    if random.generator().bit_generator.state != state:
        random.generator().bit_generator.state = state
        raise TraceError("sc.compile cannot follow random numbers drawn inside a model; call it in eager mode")
    if not isinstance(result, Tensor):
        raise TraceError(
            f"a compiled model returns one tensor, this one returned {type(result).__name__}; call it in eager mode"
        )
    output = tracer._input(result)
    if not tracer._has_history(result):
        output = tracer._node(_Detached(), (result,), {}).output
        output.needs_grad = False
    return Graph(tracer.inputs, list(tracer.leaves.values()), tracer.nodes, output)


class _Detached:
    """The same numbers without a history."""

    name = "detach"

    def forward(self, x: Any) -> tuple[Any, tuple[()]]:
        """Return ``x``."""
        return x, ()

    def backward(self, saved: Any, dy: Any, needs: Any) -> tuple[None]:
        """No gradient passes."""
        return (None,)

"""``sc.compile``: a callable with a model's parameters, state and meaning, that runs plans."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from scratchconv import backends, nn
from scratchconv.autograd import Tensor, apply, is_grad_enabled
from scratchconv.compiler._plan import Plan
from scratchconv.compiler._trace import trace

_SIMPLE = (bool, int, float, str, tuple, type(None))
_KEEP = 16  # plans of one model


class CompiledModel:
    """Runs ``model`` through plans: one for each kind of call (shapes, dtypes, modes), made at its first call.

    The model stays what it is: its parameters and buffers are read anew in every call, and a change of its modules,
    modes or settings leads to another plan. Models with forward hooks, and calls with an empty batch, run eagerly.
    """

    def __init__(self, model: nn.Module) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"sc.compile takes a Module, got {type(model).__name__}")
        self.model = model
        self._plans: dict[Hashable, tuple[Plan, Any]] = {}
        self._last: tuple[Plan, tuple[Tensor, ...]] | None = None

    def __call__(self, *arguments: Tensor) -> Tensor:
        """Return ``model(*arguments)``.

        Raises
        ------
        TypeError
            If an argument is no tensor.
        RuntimeError
            If the model's Python depends on the numbers in a tensor, and whatever the model itself raises.
        """
        for x in arguments:
            if not isinstance(x, Tensor):
                raise TypeError(f"a compiled model takes tensors, got {type(x).__name__}")
        if any(0 in x.shape for x in arguments) or any(
            m._forward_hooks or m._forward_pre_hooks for m in self.model.modules()
        ):
            result: Tensor = self.model(*arguments)
            return result
        plan = self._plan(arguments)
        self._last = plan, arguments
        leaves = [value.leaf for value in plan.graph.leaves]
        recording = is_grad_enabled() and plan.graph.output.needs_grad
        return apply(plan, *arguments, *leaves, recording=recording)

    def explain(self) -> None:
        """Print the plan of the last call: a row a kernel, with shapes, algorithm, work, time and share of the peak.

        Raises
        ------
        RuntimeError
            If nothing has been called yet.
        """
        if self._last is None:
            raise RuntimeError("explain() shows the plan of the last call; call the compiled model first")
        from scratchconv.compiler import _explain

        _explain.show(*self._last)

    def _plan(self, arguments: tuple[Tensor, ...]) -> Plan:
        """Return the plan for this kind of call, made now if it is the first."""
        modules = list(self.model.modules())
        shapes = tuple((x.shape, x.dtype.char, x.requires_grad) for x in arguments)
        modes = is_grad_enabled(), backends.conv.algorithm, backends.conv.precision
        key = shapes, modes, tuple(map(_signature, modules))
        found = self._plans.get(key)
        if found is None:
            buffers = [(buffer, buffer.data.copy()) for buffer in self.model.buffers()]
            try:
                graph = trace(self.model, arguments)
            finally:
                for buffer, before in buffers:  # tracing counts batches; only the run shall
                    buffer.data[...] = before
            while len(self._plans) >= _KEEP:
                self._plans.pop(next(iter(self._plans)))
            found = self._plans[key] = (
                Plan(graph, self.model),
                modules,
            )  # the modules stay alive, so that ids stay theirs
        return found[0]


def _signature(module: nn.Module) -> Hashable:
    """What decides how a module computes: its settings, its children, and which tensors it holds."""
    state = module.__dict__
    settings = tuple([value for value in state.values() if isinstance(value, _SIMPLE)])
    children = tuple([id(child) for child in state["_modules"].values()])
    tensors = tuple(
        [
            (id(t), t._requires_grad, t.data.shape, t.data.dtype.char)
            for kind in ("_parameters", "_buffers")
            for t in state[kind].values()
            if t is not None
        ]
    )
    return id(module), settings, children, tensors


def compile(model: nn.Module) -> CompiledModel:
    """Return a callable that computes what ``model`` does, with fused kernels.

    The first call for a shape traces the model's Python and plans kernels and memory; later calls replay the plan,
    forward and backward. Chains of convolution, BatchNorm, addition, ReLU and 2x2 max pooling run as one kernel a
    convolution; everything else as in eager mode. See docs/compile.md.

    Raises
    ------
    TypeError
        If ``model`` is no Module.
    """
    return CompiledModel(model)

"""``sc.compile``: a callable with a model's parameters, state and meaning, that runs plans."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Self

from scratchconv import backends, nn
from scratchconv.autograd import Tensor, apply, is_grad_enabled, modes
from scratchconv.compiler._plan import Plan
from scratchconv.compiler._signature import held, signature
from scratchconv.compiler._trace import TraceError, trace
from scratchconv.compiler._watch import Watch

if TYPE_CHECKING:
    from scratchconv.compiler._explain import Row

_KEEP = 16  # plans of one model


class CompiledModel:
    """Runs ``model`` through plans: one for each kind of call (shapes, dtypes, modes), made at its first call.

    The model stays what it is: its parameters and buffers are read anew in every call, and a change of its modules,
    modes or settings leads to another plan. Models with forward hooks, and calls with an empty batch, run eagerly.
    All that is not written here (``parameters``, ``state_dict``, ``zero_grad``, layers by name, …) is the model's own.
    """

    def __init__(self, model: nn.Module) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"sc.compile takes a Module, got {type(model).__name__}")
        self.model = model
        self._plans: dict[Hashable, tuple[Plan, Any]] = {}
        self._recent: dict[Hashable, tuple[Watch, Plan]] = {}
        self._last: Plan | None = None

    def __getattr__(self, name: str) -> Any:
        if name == "model":  # not set yet: a copy in the making
            raise AttributeError(name)
        return getattr(self.model, name)

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
        call = self._kind(arguments)
        watch, plan = self._recent.get(call, (None, None))
        if watch is None or plan is None or modes.tracer() is not None or not watch.same():
            modules = list(self.model.modules())
            if self._runs_eagerly(modules, arguments):
                result: Tensor = self.model(*arguments)
                return result
            plan = self._plan(modules, arguments, call)
            self._recent[call] = Watch(modules, plan.leaves), plan
        self._last = plan
        if is_grad_enabled() and plan.graph.output.needs_grad:
            return apply(plan, *arguments, *plan.leaves, recording=True)
        y, _ = plan.forward(*[x.data for x in arguments], *[leaf.data for leaf in plan.leaves], recording=False)
        return Tensor(y)

    def __getstate__(self) -> nn.Module:
        return self.model  # plans are bound to the memory of this one

    def __setstate__(self, model: nn.Module) -> None:
        type(self).__init__(self, model)

    def train(self, mode: bool = True) -> Self:
        """Switch the model to training mode (or, with False, to evaluation)."""
        self.model.train(mode)
        return self

    def eval(self) -> Self:
        """Switch the model to evaluation mode."""
        return self.train(False)

    def explain(self) -> list[Row]:
        """Print the plan of the last call: a row a kernel, with shapes, algorithm, work, time and share of the peak.

        The plan runs a few times on random numbers for it; the model's state stays as it is. Returns the rows.

        Raises
        ------
        RuntimeError
            If no plan has run yet.
        """
        if self._last is None:
            raise RuntimeError("explain() shows the plan of the last call; call the compiled model first")
        from scratchconv.compiler import _explain

        rows = _explain.rows(self._last, self.model)
        _explain.show(rows)
        return rows

    @staticmethod
    def _runs_eagerly(modules: list[nn.Module], arguments: tuple[Tensor, ...]) -> bool:
        """Whether this call has no plan: an empty batch, hooks (which may look at numbers), or another trace around."""
        if modes.tracer() is not None or any(0 in x.shape for x in arguments):
            return True
        return any(m._forward_hooks or m._forward_pre_hooks for m in modules)

    @staticmethod
    def _kind(arguments: tuple[Tensor, ...]) -> Hashable:
        """All that decides about a call but the model."""
        settings = is_grad_enabled(), backends.conv.algorithm, backends.conv.precision
        return settings, *[(x.data.shape, x.data.dtype, x.requires_grad) for x in arguments]

    def _plan(self, modules: list[nn.Module], arguments: tuple[Tensor, ...], call: Hashable) -> Plan:
        """Return the plan for this kind of call, made now if it is the first."""
        key = call, tuple([signature(module) for module in modules])
        found = self._plans.pop(key, None)
        if found is None or not found[0].fits():
            while len(self._plans) >= _KEEP:
                self._plans.pop(next(iter(self._plans)))
                self._recent.clear()
            found = Plan(self._trace(modules, arguments), self.model), held(modules)
        self._plans[key] = found  # the one used last is the one dropped last
        return found[0]

    def _trace(self, modules: list[nn.Module], arguments: tuple[Tensor, ...]) -> Any:
        """Trace a call, and undo what it did to buffers: only the run shall do that."""
        before = [(m, name, b, b.data.copy()) for m in modules for name, b in m._buffers.items() if b is not None]
        try:
            graph = trace(self.model, arguments)
            for module, name, buffer, data in before:
                counts = isinstance(module, nn.BatchNorm2d) and name == "num_batches_tracked"
                if not counts and (buffer.data != data).any():
                    raise TraceError(
                        f"sc.compile cannot follow how {type(module).__name__}.forward changes its buffer {name!r}: "
                        "it happens outside of recorded operations; call the model itself (eager mode)"
                    )
        finally:
            for _, _, buffer, data in before:
                buffer.data[...] = data
        return graph


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

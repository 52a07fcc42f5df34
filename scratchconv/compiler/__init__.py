"""Compile a model: trace it, fuse what can be fused, and replay the plan."""

from scratchconv.compiler._compiled import CompiledModel, compile
from scratchconv.compiler._trace import TraceError

__all__ = ["CompiledModel", "TraceError", "compile"]

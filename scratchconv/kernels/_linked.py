"""Compiling helpers that only kernels call: no machine code of their own, and no optimisation before they are linked.

Numba finishes every function by itself: links what it calls, optimises all of it, and emits machine code. A kernel on
top of helpers on top of helpers is so optimised and emitted again at every level, although only the topmost level is
ever called. Here a helper stops when it is LLVM code; the kernel is linked, optimised and emitted once, as a whole.

This reaches into Numba (``codegen``, ``typed_passes``). ``PIPELINE`` is None where that has changed: helpers then
compile as any function does, which takes longer and gives the same code.
"""

from __future__ import annotations

from typing import Any

__all__ = ["PIPELINE"]

PIPELINE: Any = None

try:
    from numba.core import typed_passes
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import CompilerBase, DefaultPassBuilder, _LowerResult
    from numba.core.compiler_machinery import register_pass

    class _Unfinished(JITCodeLibrary):
        """LLVM code to be linked into a kernel."""

        def _optimize_final_module(self) -> None:
            """Leave it to the kernel."""

        def _finalize_final_module(self) -> None:
            """As Numba's, without machine code."""
            self._finalize_dynamic_globals()
            self._verify_declare_only_symbols()

    @register_pass(mutates_CFG=True, analysis_only=False)
    class _Lowering(typed_passes.NativeLowering):
        """Numba's lowering, into an unfinished library."""

        _name = "scratchconv_helper_lowering"

        def run_pass(self, state: Any) -> bool:
            """Lower the function and let others find it."""
            state.library = _Unfinished(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
            state.flags.no_compile = True
            super().run_pass(state)
            lowered = state["cr"]
            name: Any = [].append  # callers know the function by a built-in of its own; no one calls that
            state.targetctx.insert_user_function(name, lowered.fndesc, [state.library])
            state["cr"] = _LowerResult(lowered.fndesc, lowered.call_helper, cfunc=name, env=lowered.env)
            return True

    class _Pipeline(CompilerBase):
        """Numba's pipeline with the other lowering."""

        def define_pipelines(self) -> list[Any]:
            """Return the one pipeline there is."""
            manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
            ordinary = typed_passes.NativeLowering
            manager.passes = [(_Lowering if kind is ordinary else kind, text) for kind, text in manager.passes]
            manager.finalize()
            return [manager]

    if all(hasattr(JITCodeLibrary, name) for name in ("_finalize_dynamic_globals", "_verify_declare_only_symbols")):
        PIPELINE = _Pipeline
except (ImportError, AttributeError):  # another version of Numba
    pass

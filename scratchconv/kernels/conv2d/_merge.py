"""The partial sums of a weight gradient, added up."""

from __future__ import annotations

from scratchconv import simd
from scratchconv.kernels._jit import inner, threaded_kernel

_SPAN = 4096  # elements that a task merges


@inner
def _merge_span(task, totals, pitch, out):
    """Merge a span of elements, a vector at a time."""
    for i in range(task * _SPAN, min(out.size, (task + 1) * _SPAN), simd.lanes_of(out)):
        live = out.size - i
        total = simd.load_partial(totals, i, live)
        lost = simd.splat(out, 0)
        for at in range(pitch + i, totals.size, pitch):
            term = simd.load_partial(totals, at, live)
            both = total + term
            part = both - total
            lost = lost + ((total - (both - part)) + (term - part))
            total = both
        exact = simd.select(lost == lost, total + lost, total)  # what an infinity rounds off is no number
        simd.store_partial(out, i, exact, live)


@threaded_kernel
def merge(totals, out):
    """out[i] = Σ_chunk totals[chunk, i]; totals (chunks, size or more), out (size,)

    Chunk after chunk, what each addition rounds off being kept and added in the end: as exact as a sum in twice the
    digits (Knuth, TAOCP vol. 2, 4.2.2, theorem B). Owns: a task writes its elements of out. Cost: one pass.
    """
    tasks = (out.size + _SPAN - 1) // _SPAN
    simd.run_tasks(_merge_span, tasks, totals.reshape(-1), totals.shape[1], out)

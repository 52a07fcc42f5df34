"""Are the gradients right? A comparison of the backward pass with central differences along random directions.

For y = f(x), an arbitrary weight u on the outputs and a direction v of one input, the backward pass claims that

    d/dt <u, f(x + t v)>  at t = 0  equals  <v, dx>,   dx = the gradient of x when y has the gradient u

and two more evaluations of f measure the left side. With random u and v a wrong entry anywhere in the Jacobian shows,
at a cost that does not grow with its size. Cf. HIPS autograd, ``check_grads``; PyTorch, gradcheck with fast_mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scratchconv.autograd.modes import no_grad
from scratchconv.autograd.tensor import Tensor
from scratchconv.ops._op import Array

Function = Callable[..., Any]

_DIRECTIONS = 3
_LISTED = 1000  # inputs up to this size are searched for their worst element when a check fails


class GradcheckError(RuntimeError):
    """A gradient that differences contradict; the message says where and by how much."""


def gradcheck(
    fn: Function,
    inputs: Tensor | Sequence[Any],
    eps: float = 1e-6,
    atol: float = 1e-7,
    rtol: float = 1e-5,
    raise_exception: bool = True,
    seed: int = 0,
) -> bool:
    """Compare the gradients of ``fn`` at ``inputs`` with central differences along random directions.

    Parameters
    ----------
    fn
        Takes the inputs, returns a tensor or several. Its values must not be random.
    inputs
        Those that are float64 tensors requiring a gradient are checked, one at a time; anything else is passed through.
    eps
        Length of the step. The error of the difference is about eps² from curvature and 1e-16 / eps from rounding.
    atol, rtol
        A difference may deviate by ``atol + rtol * s``, where s is the size that the sum <v, dx> typically has.
    raise_exception
        Raise GradcheckError rather than return False.
    seed
        Chooses the directions.

    Raises
    ------
    GradcheckError
        If a gradient is wrong (or, always, never: see ``raise_exception``).
    ValueError
        If no input requires a gradient, or one that does is not float64.
    """
    values = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [i for i, x in enumerate(values) if isinstance(x, Tensor) and x.requires_grad]
    if not checked or any(values[i].dtype != np.float64 for i in checked):
        raise ValueError("gradcheck needs an input that requires grad, and float64 for all that do")
    random = np.random.default_rng(seed)
    weights, gradients = _backward(fn, values, checked, random)
    faults = []
    for i in checked:
        probe = _Probe(fn, values, i, weights, eps)
        for _ in range(_DIRECTIONS):
            v = random.standard_normal(values[i].shape)
            claimed, measured = float(np.sum(gradients[i] * v)), probe.slope(v)
            allowed = atol + rtol * float(np.linalg.norm(gradients[i] * v))
            if not abs(claimed - measured) <= allowed:
                faults.append(_report(i, gradients[i], probe, claimed, measured, allowed))
                break
    if faults and raise_exception:
        raise GradcheckError("\n".join(faults))
    return not faults


def _outputs(result: Any) -> list[Tensor]:
    """Return the tensors that a function returned."""
    return [result] if isinstance(result, Tensor) else list(result)


def _backward(
    fn: Function, values: list[Any], checked: list[int], random: np.random.Generator
) -> tuple[list[Array], dict[int, Array]]:
    """Run the backward pass once, from random weights: return those and the gradients of the checked inputs."""
    leaves = [x.detach().requires_grad_() if i in checked else x for i, x in enumerate(values)]
    weights = []
    for y in _outputs(fn(*leaves)):
        weights.append(random.standard_normal(y.shape))
        if y.requires_grad:
            y.backward(weights[-1], retain_graph=True)
    grads = {i: leaves[i].grad for i in checked}
    return weights, {i: np.zeros(values[i].shape) if g is None else g.data for i, g in grads.items()}


class _Probe:
    """Measures d/dt <u, f(..., x + t v, ...)> for one input x."""

    def __init__(self, fn: Function, values: list[Any], i: int, weights: list[Array], eps: float) -> None:
        self._fn, self._values, self._i, self._weights, self._eps = fn, values, i, weights, eps

    def slope(self, v: Array) -> float:
        """Return the central difference along ``v``."""
        above, below = self._evaluate(self._eps * v), self._evaluate(-self._eps * v)
        terms = [np.sum(u * (a - b)) for u, a, b in zip(self._weights, above, below, strict=True)]
        return float(sum(terms)) / (2 * self._eps)

    def _evaluate(self, step: Array) -> list[Array]:
        """Return copies of the outputs one step away."""
        moved = list(self._values)
        moved[self._i] = Tensor(moved[self._i].data + step)
        with no_grad():
            return [y.data.copy() for y in _outputs(self._fn(*moved))]


def _report(i: int, gradient: Array, probe: _Probe, claimed: float, measured: float, allowed: float) -> str:
    """Describe a wrong gradient; of a small one, also its worst element."""
    text = (
        f"gradient of input {i} (shape {gradient.shape}) along a direction: the backward pass says {claimed:.9g}, "
        f"differences say {measured:.9g}, off by {abs(claimed - measured):.3g} where {allowed:.3g} is allowed"
    )
    if gradient.size > _LISTED:
        return text
    numeric = np.empty(gradient.shape)
    for at in np.ndindex(gradient.shape):
        v = np.zeros(gradient.shape)
        v[at] = 1
        numeric[at] = probe.slope(v)
    worst = np.unravel_index(np.argmax(np.abs(numeric - gradient)), gradient.shape)
    where = tuple(int(n) for n in worst)
    return f"{text}; worst element {where}: {gradient[where]:.9g}, differences say {numeric[where]:.9g}"

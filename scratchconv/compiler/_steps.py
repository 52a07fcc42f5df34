"""What a plan does at convolutions: they and all that is fused to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchconv.compiler import _norm
from scratchconv.compiler._graph import Node, Value
from scratchconv.compiler._patterns import Activation
from scratchconv.compiler._run import Gradients, Run
from scratchconv.kernels import _tape
from scratchconv.ops import conv2d, fused_conv
from scratchconv.ops._convolution import bias_grad
from scratchconv.ops._layout import as_khwcf, contiguous, from_khwcf, from_nhwc
from scratchconv.ops._memory import empty
from scratchconv.ops._op import Array
from scratchconv.ops.affine_norm import Map, gradient_of, identity
from scratchconv.ops.fused_conv import Gradient, Reading, Selection, Sums, Target


class Chain:
    """An activation in the making: what its readers read, and what becomes of the gradients that they send."""

    def __init__(self, activation: Activation, readers: int, sources: dict[Value, Chain]) -> None:
        self.activation, self.sources = activation, sources
        self.value = activation.output
        plain_readers = len(self.value.consumers) - readers
        # One convolution that computes what it reads is all that a simple activation needs.
        self.stored = bool(activation.skip or len(activation.branches) > 1 or readers != 1 or plain_readers)
        self.convolutions: list[ConvStep] = []  # of the branches
        self.wants_grad = self.value.needs_grad

    def reading(self, run: Run) -> Reading:
        """What a convolution reads; the first of several readers stores it for the others."""
        if (self, "stored") in run.kept:
            return Reading(run.kept[self, "stored"])
        reading = self.described(run)
        if self.stored:
            out = run.buffer((self, "out"), reading.z.shape, reading.z.dtype)
            run.kept[self, "stored"] = out
            reading = reading._replace(out=out, far=run.far)
        return reading

    def described(self, run: Run) -> Reading:
        """How the activation follows from what is in memory, for one who alone reads it."""
        first = self.convolutions[0]
        z = run.kept[first, "selected"] if self.activation.pooled else run.kept[first, "y"]
        norm = run.kept[first, "norm"]
        reading = Reading(z, norm.scale, norm.shift)
        if len(self.convolutions) > 1:
            second = self.convolutions[1]
            norm2 = run.kept[second, "norm"]
            reading = reading._replace(skip=run.kept[second, "y"], skip_scale=norm2.scale, skip_shift=norm2.shift)
        elif self.activation.skip is not None:
            reading = reading._replace(skip=self._skip(run, self.activation.skip))
        return reading

    def masking(self, run: Run) -> Reading:
        """What tells where the activation is positive: the one array it is made of, which is read anyway, or itself."""
        simple = self.activation.skip is None and len(self.convolutions) == 1
        return self.described(run) if simple else self.reading(run)

    def pixels(self, run: Run) -> Array:
        """The activation in memory, (N, H, W, C), for those who are no fused convolution."""
        if (self, "stored") not in run.kept:
            reading = self.reading(run)
            fused_conv.read(reading, run.kept[self, "stored"])
        stored: Array = run.kept[self, "stored"]
        return stored

    def buffers(self) -> list[Any]:
        """Keys of all buffers that a way forward fills for this activation."""
        made = [(step, name) for step in self.convolutions for name in ("y", "selected")]
        return [*made, (self, "out")]

    def array(self, run: Run) -> Array:
        """The same as (N, C, H, W)."""
        return from_nhwc(self.pixels(run))

    def target(self, gradients: Gradients, whole: bool = False) -> Target:
        """What the last reader is to do with its dx: add what others have sent, mask, and take the sums.

        With ``whole`` there is nothing to add.
        """
        run, first = gradients.run, self.convolutions[0]
        z = run.kept[first, "selected"] if self.activation.pooled else run.kept[first, "y"]
        norm = run.kept[first, "norm"]
        target = Target(
            run.buffer((self, "g"), z.shape, z.dtype),
            mask=run.kept.get((self, "stored")),
            extra=None if whole else gradients.pixels_of(self.value),
            z=z,
            mean=norm.centre,
            far=run.far,
        )
        if len(self.convolutions) > 1:
            second = self.convolutions[1]
            target = target._replace(z2=run.kept[second, "y"], mean2=run.kept[second, "norm"].centre)
        return target

    def finish(self, gradients: Gradients, g: Array, sums: Sums | None) -> None:
        """Note the gradient before the ReLU, and pass it on."""
        gradients.found[self] = g, sums
        if self.activation.skip is not None:
            gradients.add(self.activation.skip, from_nhwc(g))

    def gradient(self, gradients: Gradients) -> tuple[Array, Sums] | None:
        """The gradient before the ReLU and its sums; computed here if no convolution has done so."""
        if self not in gradients.found:
            dx = gradients.of(self.value)
            if dx is None:
                return None
            target = self.target(gradients, whole=True)
            sums = fused_conv.receive(self.masking(gradients.run), dx.transpose(0, 2, 3, 1), target)
            self.finish(gradients, target.g, sums)
        found: tuple[Array, Sums] = gradients.found[self]
        return found

    def _skip(self, run: Run, skip: Value) -> Array:
        source = self.sources.get(skip)
        return run.pixels(skip) if source is None else source.pixels(run)


class ConvStep:
    """A convolution, what it reads, and the BatchNorm and pooling behind it."""

    def __init__(self, node: Node, chain: Chain | None, norm: Node | None, layer: Any, source: Chain | None) -> None:
        self.node, self.chain, self.norm, self.layer, self.source = node, chain, norm, layer, source
        x, w = node.inputs[:2]
        self.weight, self.bias = w, node.inputs[2] if len(node.inputs) > 2 else None
        hollow = np.empty((0, *x.shape[1:])), np.empty(w.shape)
        self.geometry, size = conv2d.check(*hollow, **node.params)
        self.shape = (x.shape[0], *size, w.shape[0])
        self.pixels = x.shape[0] * size[0] * size[1]
        self.pooled = chain is not None and chain.activation.pooled
        self.in_training = norm is not None and bool(norm.params["training"])

    def reading(self, run: Run) -> Reading:
        """What this convolution reads."""
        return Reading(run.pixels(self.node.inputs[0])) if self.source is None else self.source.reading(run)

    def forward(self, run: Run) -> None:
        """Convolve; take statistics and pool while the results are in cache."""
        dtype = self.node.output.dtype
        y = run.buffer((self, "y"), self.shape, dtype)
        w, b, norm = self._folded(run, dtype)
        options: dict[str, Any] = {"far": run.far, "statistics": norm is None}
        if self.pooled:
            pooled = (self.shape[0], self.shape[1] // 2, self.shape[2] // 2, self.shape[3])
            selected = run.kept[self, "selected"] = run.buffer((self, "selected"), pooled, dtype)
            options["selection"] = Selection(selected, self._slope(run, norm), alone=not run.recording)
        moments = fused_conv.forward(self.reading(run), w, b, self.geometry, y, **options)
        if norm is None and self.norm is not None:
            norm = _norm.affine(run, self.norm, self.layer, moments, self.pixels, dtype)
        run.kept[self, "y"], run.kept[self, "norm"] = y, norm
        if self.chain is None:
            run.show(self.node.output, from_nhwc(y))

    def _folded(self, run: Run, dtype: Any) -> tuple[Array, Array, Map | None]:
        """Weights, bias, and BatchNorm as an affine map: None if it waits for the statistics of the batch.

        Without a backward pass an affine map that is known goes into the weights, in float64.
        """
        w = as_khwcf(run.data(self.weight.leaf))
        b = np.zeros(self.shape[3], dtype) if self.bias is None else contiguous(run.data(self.bias.leaf))
        if self.norm is None:
            return w, b, identity(self.shape[3], dtype)
        if self.in_training:
            return w, b, None
        if not run.frozen:
            return w, b, _norm.affine(run, self.norm, self.layer, None, self.pixels, dtype)
        with _tape.preparing():
            norm = _norm.affine(run, self.norm, self.layer, None, self.pixels, dtype)
            w = np.ascontiguousarray((w * norm.a).astype(dtype))
            return w, (b * norm.a + norm.shift).astype(dtype), identity(self.shape[3], dtype)

    def backward(self, gradients: Gradients) -> None:
        """Write the gradients of weight, bias and what was read."""
        x = self.node.inputs[0]
        wanted = self.node.output.needs_grad if self.chain is None else self.chain.wants_grad
        described = self._gradient(gradients) if wanted else None
        if described is None:
            for value in self.node.inputs:
                if isinstance(value, Value):
                    gradients.add(value, None)
            return
        gradient, db = described
        run, dtype = gradients.run, self.node.output.dtype
        w = as_khwcf(run.data(self.weight.leaf))
        dw = empty(w.shape, dtype) if self.weight.needs_grad else None
        if db is None and self.bias is not None and self.bias.needs_grad:
            db = empty((w.shape[3],), dtype)
            bias_grad(gradient.g, db)
        target = self._target(gradients) if x.needs_grad else None
        sums = None
        if dw is not None or target is not None:
            sums = fused_conv.backward(self.reading(run), gradient, w, self.geometry, dw=dw, target=target)
        self._send(gradients, dw, db, target, sums)

    def _target(self, gradients: Gradients) -> Target:
        """What becomes of dx: finished, if this is the last reader of an activation, else an array to be added."""
        x = self.node.inputs[0]
        if self.source is not None and self.source.wants_grad and gradients.waiting(x) == 1:
            return self.source.target(gradients)
        run, size = gradients.run, (x.shape[0], *x.shape[2:], x.shape[1])
        return Target(run.buffer((self, "dx"), size, x.dtype), far=run.far)

    def _send(self, gradients: Gradients, dw: Array | None, db: Array | None, target: Target | None, sums: Any) -> None:
        x = self.node.inputs[0]
        gradients.add(self.weight, None if dw is None else from_khwcf(dw))
        if self.bias is not None:
            gradients.add(self.bias, db if self.bias.needs_grad else None)
        if sums is not None and self.source is not None and target is not None:
            gradients.add(x, None)
            self.source.finish(gradients, target.g, sums)
        else:
            gradients.add(x, None if target is None else from_nhwc(target.g))

    def _gradient(self, gradients: Gradients) -> tuple[Gradient, Array | None] | None:
        """Describe the gradient of this convolution's result, and that of its bias if it follows from sums."""
        if self.chain is None:
            dy = gradients.pixels_of(self.node.output)
            return None if dy is None else (Gradient(dy), None)
        arrived = self.chain.gradient(gradients)
        if arrived is None:
            return None
        g, sums = arrived
        second = self.chain.convolutions[0] is not self
        norm = gradients.run.kept[self, "norm"]
        sum_gz = sums.gz2 if second and sums.gz2 is not None else sums.gz
        if self.norm is None and not self.pooled:
            return Gradient(g), None
        found = gradient_of(norm, sums.g, sum_gz, self.pixels, g.dtype)
        if self.norm is not None:
            for value, gradient in zip(self.norm.inputs[1:3], (found.dgamma, found.dbeta), strict=False):
                if value is not None:
                    gradients.add(value, gradient if value.needs_grad else None)
        selected = gradients.run.kept[self, "selected"] if self.pooled else None
        y = gradients.run.kept[self, "y"]
        return Gradient(g, y, found.a, found.b, found.mean, found.c, selected), found.db

    def _slope(self, run: Run, norm: Any) -> Array:
        """Numbers with the sign of BatchNorm's slope: where it falls, the smallest of a window becomes the largest.

        A scale that is known has that sign, and gamma has it always.
        """
        gamma = None if self.norm is None else (*self.norm.inputs[1:], None)[0]
        if norm is not None and not run.frozen:
            slope: Array = norm.scale
            return slope
        return np.ones(self.shape[3]) if gamma is None or norm is not None else contiguous(run.data(gamma.leaf))

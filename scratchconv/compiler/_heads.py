"""The end of a network: the mean over an image, and a linear layer that reads pixels as they lie in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from scratchconv.autograd import Tensor
from scratchconv.compiler._graph import Graph, Node, Value
from scratchconv.compiler._run import Gradients, Run
from scratchconv.compiler._steps import Chain
from scratchconv.kernels import _tape
from scratchconv.kernels.linear.tiled import has_few_filters
from scratchconv.ops import avg_pool2d, fused_conv, linear
from scratchconv.ops._layout import contiguous, from_nhwc
from scratchconv.ops._memory import empty, empty_like
from scratchconv.ops._op import Array
from scratchconv.ops._pooling import windows
from scratchconv.ops.shape import RESHAPE

Sources = dict[Value, Chain]


def is_linear(node: Node) -> bool:
    """Whether ``node`` is a linear layer on (N, C) numbers, with weights that are leaves."""
    if node.op is not linear or not isinstance(node.inputs[0], Value):
        return False
    return len(node.inputs[0].shape) == 2 and all(w is None or _is_leaf(w) for w in node.inputs[1:])


def flattened(node: Node, graph: Graph) -> Node | None:
    """Return what makes (N, C * H * W) of (N, C, H, W) for the linear layer ``node`` alone, if something does."""
    flat = node.inputs[0]
    view = flat.producer
    if view is None or view.op is not RESHAPE or len(flat.consumers) > 1 or flat is graph.output:
        return None
    before = view.inputs[0]
    fits = isinstance(before, Value) and before.leaf is None and len(before.shape) == 4
    return view if fits and before.shape[0] == flat.shape[0] else None


def is_mean(node: Node, sources: Sources) -> bool:
    """Whether ``node`` is the mean over the whole image of an activation."""
    if node.op is not avg_pool2d or node.inputs[0] not in sources or len(node.inputs[0].shape) != 4:
        return False
    geometry: dict[str, Any] = {"stride": None, "padding": 0, **node.params}
    kernel, _, padding, _ = windows(geometry["kernel_size"], geometry["stride"], geometry["padding"])
    same = kernel == node.inputs[0].shape[2:] and padding == (0, 0)
    return same and not node.params.get("ceil_mode") and node.params.get("divisor_override") is None


def _is_leaf(value: Any) -> bool:
    return isinstance(value, Value) and value.leaf is not None


class MeanStep:
    """The mean of an activation, which is stored on the way only if someone reads it again."""

    in_training = False

    def __init__(self, node: Node, source: Chain, output: Value) -> None:
        self.node, self.source = node, source
        self.value: Value = node.inputs[0]
        self.alone = len(self.value.consumers) == 1 and self.value is not output

    def forward(self, run: Run) -> None:
        """Take the mean."""
        # Its gradient needs to know where the activation is positive.
        again = not self.alone or (run.recording and self.node.output.needs_grad)
        batch, channels = self.value.shape[:2]
        out = run.buffer((self, "out"), (batch, channels), self.value.dtype)
        reading = self.source.reading(run) if again else self.source.described(run)
        fused_conv.mean(reading, out)
        run.show(self.node.output, out[:, :, None, None])

    def backward(self, gradients: Gradients) -> None:
        """Send every pixel its part."""
        dy = gradients.of(self.node.output) if self.node.output.needs_grad else None
        if dy is None:
            gradients.add(self.value, None)
            return
        part, pixels = empty_like(dy), self.value.shape[2] * self.value.shape[3]
        gradients.run.do(np.divide, dy, dy.dtype.type(pixels), part)
        gradients.add(self.value, np.broadcast_to(part, self.value.shape))


class LinearStep:
    """A linear layer on numbers, or on pixels: then its weights are rearranged instead of the pixels."""

    in_training = False

    def __init__(self, node: Node, view: Node | None, sources: Sources, output: Value) -> None:
        self.node = node
        self.value: Value = node.inputs[0] if view is None else view.inputs[0]
        self.source = sources.get(self.value)
        self.weight: Value = node.inputs[1]
        self.bias: Value | None = node.inputs[2] if len(node.inputs) > 2 else None
        self.tensors: list[Tensor] = [value.leaf for value in node.inputs[1:] if value is not None]  # see is_linear
        self.image = None if view is None else self.value.shape[1:]
        # Whether this is all that reads pixels.
        self.alone = view is not None and len(self.value.consumers) == 1 and self.value is not output

    def forward(self, run: Run) -> None:
        """Run the operation."""
        w, *biases = map(run.data, self.tensors)
        with _tape.preparing():
            w = self._as_pixels_lie(w)
        if self.source is not None and self._is_fused(w):
            y, saved = _fused(run, self.source, w, *biases)
        else:
            y, saved = linear.forward(self._rows(run), w, *biases)
        run.show(self.node.output, y)
        run.kept[self] = saved

    def _is_fused(self, w: Array) -> bool:
        """Whether an activation before this, if there is one, is computed and receives its gradient on the way."""
        return self.alone and has_few_filters(w)

    def _rows(self, run: Run) -> Array:
        """Return what is read, (N, C), in the order of memory."""
        if self.image is None:
            return contiguous(run.still(self.value) if self.source is None else self.source.array(run))
        pixels = run.pixels(self.value) if self.source is None else self.source.pixels(run)
        return pixels.reshape(len(pixels), -1)

    def backward(self, gradients: Gradients) -> None:
        """Send gradients to the inputs, in their own order."""
        dy = gradients.of(self.node.output) if self.node.output.needs_grad else None
        needs = self.node.needs
        sent: Any = [None] * len(needs)
        if dy is not None:
            saved, source = gradients.run.kept[self], self.source
            if source is not None and source.wants_grad and self._is_fused(saved.w):
                target = source.target(gradients, whole=True)
                sums = fused_conv.linear_input_grad(source.masking(gradients.run), contiguous(dy), saved.w, target)
                source.finish(gradients, target.g, sums)
                needs = (False, *needs[1:])
            sent = list(linear.backward(saved, dy, needs))
            if self.image is not None:
                channels, height, width = self.image
                if sent[0] is not None:
                    sent[0] = from_nhwc(sent[0].reshape(-1, height, width, channels))
                if sent[1] is not None:
                    sent[1] = _rearranged(sent[1], (height, width, channels), (2, 0, 1))
        for value, gradient in zip((self.value, self.weight, self.bias), sent, strict=False):
            if value is not None:
                gradients.add(value, gradient)

    def _as_pixels_lie(self, w: Array) -> Array:
        """Return weights for rows in the order of memory, channels last."""
        if self.image is None:
            return contiguous(w)
        return _rearranged(w, self.image, (1, 2, 0))


def _fused(run: Run, source: Chain, w: Array, b: Array | None = None) -> tuple[Array, linear.Saved]:
    """Return y = x wᵀ + b for the pixels x of an activation that no one has read yet, and what the gradients need."""
    reading = source.reading(run)
    x = source.pixels(run)
    x, y = x.reshape(len(x), -1), empty((len(x), len(w)), w.dtype)
    fused_conv.linear(reading, w, np.zeros(len(w), w.dtype) if b is None else contiguous(b), x, y)
    return y, linear.Saved(x, w, x.shape)


def _rearranged(w: Array, axes: tuple[int, ...], order: tuple[int, int, int]) -> Array:
    """Return (F, ...) with the numbers of each row, ``axes`` long, in another order of these axes."""
    out = empty(w.shape, w.dtype)
    into = out.reshape(len(w), *(axes[axis] for axis in order))
    _tape.do(np.copyto, into, contiguous(w).reshape(len(w), *axes).transpose(0, *(axis + 1 for axis in order)))
    return out

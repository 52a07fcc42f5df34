"""Find what can run as one kernel: convolution → BatchNorm → [+ skip | + BatchNorm(convolution)] → ReLU → [pooling].

An ``Activation`` is such a chain from its convolution(s) to its last operation. Every value inside it has one use, so
none of them has to exist in memory; whether its result does depends on who reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scratchconv import backends, nn
from scratchconv.compiler._graph import Graph, Node, Value
from scratchconv.compiler._shapes import is_relu
from scratchconv.ops import batch_norm, conv2d, max_pool2d
from scratchconv.ops._pooling import windows
from scratchconv.ops.elementwise import ADD
from scratchconv.ops.inplace import ADD_IN_PLACE

_POOL_2X2 = ((2, 2), (2, 2), (0, 0), (1, 1))


@dataclass(eq=False)
class Branch:
    """A convolution and the BatchNorm that follows it, if one does."""

    convolution: Node
    norm: Node | None


@dataclass(eq=False)
class Activation:
    """relu(branch + branch or skip), pooled or not; ``output`` is the value it stands for."""

    branches: list[Branch]
    skip: Value | None
    pooled: bool
    nodes: list[Node]  # all that it replaces but the convolutions
    output: Value


@dataclass
class Matches:
    """The activations of a graph by the node that ends them, and the convolutions that run fused by their node."""

    activations: list[Activation] = field(default_factory=list)
    convolutions: dict[Node, Activation | None] = field(default_factory=dict)
    norms: dict[Node, nn.BatchNorm2d] = field(default_factory=dict)


def match(graph: Graph, model: nn.Module) -> Matches:
    """Find all activations of ``graph``, and which layer of ``model`` each BatchNorm belongs to."""
    matches = Matches(norms=_norm_layers(graph, model))
    for node in graph.nodes:
        activation = _activation(node, graph.output) if is_relu(node.op) else None
        if activation is not None:
            matches.activations.append(activation)
            matches.convolutions.update((branch.convolution, activation) for branch in activation.branches)
    for node in graph.nodes:
        if _is_convolution(node):
            matches.convolutions.setdefault(node, None)
    return matches


def _activation(relu: Node, output: Value) -> Activation | None:
    """The activation that ends in ``relu``, or in the pooling behind it."""
    before = relu.inputs[0]
    if not isinstance(before, Value) or not _used_once(before, output):
        return None
    branches, skip, nodes = _sum(before, output)
    if not branches:
        return None
    last, pooled = relu, False
    if skip is None and len(branches) == 1 and _used_once(relu.output, output):
        after = relu.output.consumers[0]
        if _is_pool_2x2(after):
            last, pooled = after, True
            nodes = [*nodes, relu]
    return Activation(branches, skip, pooled, [*nodes, last], last.output)


def _sum(value: Value, output: Value) -> tuple[list[Branch], Value | None, list[Node]]:
    """Branches, skip and nodes behind the value that a ReLU reads; no branches if nothing fits."""
    branch = _branch(value, output)
    if branch is not None:
        return [branch], None, [branch.norm] if branch.norm else []
    add = value.producer
    if add is None or add.op not in (ADD, ADD_IN_PLACE) or not all(isinstance(x, Value) for x in add.inputs):
        return [], None, []
    left, right = add.inputs
    if left.shape != right.shape or left is right or left.dtype != right.dtype:
        return [], None, []
    found = [branch for branch in (_branch(left, output), _branch(right, output)) if branch is not None]
    norms = [branch.norm for branch in found if branch.norm]
    if len(found) == 2:
        return found, None, [*norms, add]
    if len(found) == 1:
        skip = right if _branch(left, output) else left
        return found, skip, [*norms, add]
    return [], None, []


def _branch(value: Value, output: Value) -> Branch | None:
    """The branch whose result is ``value``, if it is used nowhere else."""
    node = value.producer
    if node is None or not _used_once(value, output):
        return None
    if _is_convolution(node):
        return Branch(node, None)
    if node.op is batch_norm and isinstance(node.inputs[0], Value):
        inner = node.inputs[0]
        if inner.producer is not None and _is_convolution(inner.producer) and _used_once(inner, output):
            if all(x is None or (isinstance(x, Value) and x.leaf is not None) for x in node.inputs[1:]):
                return Branch(inner.producer, node)
    return None


def _used_once(value: Value, output: Value) -> bool:
    return len(value.consumers) == 1 and value is not output


def _is_convolution(node: Node) -> bool:
    """Whether ``node`` is a convolution of one group, of a batch, with weights that are leaves."""
    if node.op is not conv2d or backends.conv.algorithm in ("naive", "im2col"):
        return False
    x, weights = node.inputs[0], node.inputs[1:]
    leaves = all(w is None or (isinstance(w, Value) and w.leaf is not None) for w in weights)
    return leaves and isinstance(x, Value) and len(x.shape) == 4 and node.params.get("groups", 1) == 1


def _is_pool_2x2(node: Node) -> bool:
    if node.op is not max_pool2d or node.params.get("ceil_mode"):
        return False
    geometry: dict[str, Any] = {"stride": None, "padding": 0, "dilation": 1, **node.params}
    geometry.pop("ceil_mode", None)
    return tuple(windows(**geometry)) == _POOL_2X2


def _norm_layers(graph: Graph, model: nn.Module) -> dict[Node, nn.BatchNorm2d]:
    """The layer behind each BatchNorm node, which counts its batches: found by its running mean."""
    layers = {
        id(layer.running_mean.data): layer
        for layer in model.modules()
        if isinstance(layer, nn.BatchNorm2d) and layer.running_mean is not None
    }
    found = {}
    for node in graph.nodes:
        mean = node.params.get("running_mean") if node.op is batch_norm else None
        if mean is not None and id(mean) in layers:
            found[node] = layers[id(mean)]
    return found

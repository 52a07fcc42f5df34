"""Loss layers."""

from __future__ import annotations

from scratchconv.autograd import Tensor
from scratchconv.nn import functional
from scratchconv.nn._module import Module


class CrossEntropyLoss(Module):
    """−log softmax(logits)[n, target[n]], averaged over the batch.

    Parameters
    ----------
    weight
        (C,) factor per class, kept as a buffer; the mean is then a weighted one.
    ignore_index
        Samples with this target contribute nothing.
    reduction
        ``"mean"``, ``"sum"`` or ``"none"``.
    label_smoothing
        Share of the target distribution that is spread evenly over all classes.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of (N, C) logits against (N,) integer classes."""
        return functional.cross_entropy(
            logits,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )

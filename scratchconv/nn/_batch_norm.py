"""The batch normalisation layer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scratchconv.autograd import Tensor
from scratchconv.nn import functional, init
from scratchconv.nn._module import Module
from scratchconv.nn._parameter import Parameter
from scratchconv.ops._memory import empty


class BatchNorm2d(Module):
    """y = (x − mean_c) / √(var_c + eps) · weight_c + bias_c for every channel c of (N, C, H, W).

    In training mean and (biased) variance are those of the batch, over N, H and W, and the running statistics move
    towards them: running = (1 − momentum) · running + momentum · batch, with the unbiased variance. In evaluation the
    running statistics take their place. Ioffe & Szegedy, arXiv:1502.03167, algorithms 1 and 2.

    Parameters
    ----------
    num_features
        C.
    eps
        Added to the variance.
    momentum
        Share of the newest batch in the running statistics; None weighs all batches so far equally.
    affine
        Whether there are a learned ``weight`` (from 1) and ``bias`` (from 0).
    track_running_stats
        Whether there are running statistics; without them evaluation uses the batch's as well.
    dtype
        float32 or float64.

    Attributes
    ----------
    weight, bias : Parameter or None
        (C,).
    running_mean, running_var : Tensor or None
        (C,) buffers, from 0 and 1.
    num_batches_tracked : Tensor or None
        int64 scalar buffer: training batches seen.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name in ("weight", "bias"):
            self.register_parameter(name, Parameter(empty((num_features,), dtype)) if affine else None)
        for name in ("running_mean", "running_var"):
            self.register_buffer(name, Tensor(empty((num_features,), dtype)) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", Tensor(np.zeros((), np.int64)) if track_running_stats else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget all batches: mean 0, variance 1."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Forget all batches and make the affine map the identity."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, H, W); in training also update the buffers."""
        if x.ndim != 4:
            raise ValueError(f"BatchNorm2d expects a 4-D input (N, C, H, W), got shape {x.shape}")
        use_batch = self.training or self.running_mean is None
        return functional.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            use_batch,
            self._count_batch() if self.training else 0.0,
            self.eps,
        )

    def _count_batch(self) -> float:
        """Count one more training batch and return its share in the running statistics."""
        if self.num_batches_tracked is None:
            return self.momentum or 0.0
        self.num_batches_tracked.data.fill(self.num_batches_tracked.item() + 1)  # += asks NumPy for a type first
        return 1.0 / self.num_batches_tracked.item() if self.momentum is None else self.momentum

    def extra_repr(self) -> str:
        """Return the settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )

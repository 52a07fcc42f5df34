"""BatchNorm between two convolutions: from a batch's sums to a few numbers a channel, in one call each way.

There are only C channels, so NumPy would take a microsecond for each of some twenty operations, and hardly compute.
"""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import kernel


@kernel
def of_statistics(mean, var, gamma, beta, eps, inverse_std, a, rows):
    """BatchNorm: scale = a = gamma / sqrt(var + eps), shift = beta - mean * a; gamma and beta may be empty

    mean, var, inverse_std, a (C,) float64; gamma, beta (C,), and rows (3, C or more) = scale, shift, mean, of the
    activation's dtype.
    """
    for c in range(mean.size):
        inverse_std[c] = 1.0 / np.sqrt(var[c] + eps)
        a[c] = inverse_std[c] * (np.float64(gamma[c]) if gamma.size > 0 else 1.0)
        rows[0, c] = a[c]
        rows[1, c] = (np.float64(beta[c]) if beta.size > 0 else 0.0) - mean[c] * a[c]
        rows[2, c] = mean[c]


@kernel
def move_running(mean, var, count, momentum, running_mean, running_var, batches):
    """Move both: running = (1 - momentum) * running + momentum * statistic, with the unbiased variance.

    Adds one to ``batches`` (1,), if it is not empty.
    """
    batches += 1
    unbiased = count / (count - 1.0)
    for c in range(mean.size):
        running_mean[c] = (1.0 - momentum) * np.float64(running_mean[c]) + momentum * mean[c]
        running_var[c] = (1.0 - momentum) * np.float64(running_var[c]) + momentum * var[c] * unbiased


@kernel
def of_gradient(mean, inverse_std, a, sum_g, sum_gz, count, rows, dgamma, dbeta, db):
    """Rows (4, C or more) = a, mean, b, c of dz = a g + b (z - mean) + c; gradients of gamma, beta and a bias before it

        b = -a istd² Σ g (z - mean) / M    c = -a Σ g / M    dgamma = istd Σ g (z - mean)    dbeta = Σ g
        db = Σ dz = a Σ g + c M

    With ``count`` 0 mean and variance are constants: b = c = 0.
    """
    for c in range(a.size):
        slope, offset = 0.0, 0.0
        if count > 0:
            slope = -a[c] * inverse_std[c] * inverse_std[c] * sum_gz[c] / count
            offset = -a[c] * sum_g[c] / count
        rows[0, c], rows[1, c], rows[2, c], rows[3, c] = a[c], mean[c], slope, offset
        dgamma[c] = inverse_std[c] * sum_gz[c]
        dbeta[c] = sum_g[c]
        db[c] = a[c] * sum_g[c] + offset * count

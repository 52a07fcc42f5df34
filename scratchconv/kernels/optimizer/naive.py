"""Optimizer updates, one element at a time, in float64: the contract. All arrays (n,), float32/64, of one dtype."""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import kernel


@kernel
def sgd(grad, lr, momentum, dampening, nesterov, weight_decay, first, buffer, param):
    """With g = grad + weight_decay * param:
    buffer = g if first else momentum * buffer + (1 - dampening) * g
    param -= lr * (g + momentum * buffer if nesterov else buffer)

    Without momentum (0), buffer is not touched and may be empty: param -= lr * g.
    """
    for i in range(param.size):
        g = np.float64(grad[i]) + weight_decay * np.float64(param[i])
        if momentum != 0.0:
            m = g if first else momentum * np.float64(buffer[i]) + (1.0 - dampening) * g
            buffer[i] = m
            g = g + momentum * m if nesterov else m
        param[i] = np.float64(param[i]) - lr * g


@kernel
def adam(grad, step, lr, beta1, beta2, eps, weight_decay, exp_avg, exp_avg_sq, param):
    """With g = grad + weight_decay * param:
    m += (1 - beta1) * (g - m);  v = beta2 * v + (1 - beta2) * g²
    param -= lr / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps)

    m, v: exp_avg, exp_avg_sq. step counts from 1.
    """
    rate = lr / (1.0 - beta1**step)
    root = np.sqrt(1.0 - beta2**step)
    for i in range(param.size):
        g = np.float64(grad[i]) + weight_decay * np.float64(param[i])
        m = np.float64(exp_avg[i]) + (1.0 - beta1) * (g - np.float64(exp_avg[i]))
        v = beta2 * np.float64(exp_avg_sq[i]) + (1.0 - beta2) * g * g
        exp_avg[i] = m
        exp_avg_sq[i] = v
        param[i] = np.float64(param[i]) - rate * (m / (np.sqrt(v) / root + eps))

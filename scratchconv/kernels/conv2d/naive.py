"""The contract: convolution and its gradients as the formulas they are, accumulated in float64.

Letters: image n, filter f, output pixel (i, j), kernel tap (u, v), channel c of the filter's group. Strides s, padding
p, dilation d and the output size belong to a dimension each. Every other algorithm of this folder has the same
functions with the same meaning.
"""

from __future__ import annotations

import numpy as np

from scratchconv.kernels._jit import kernel


@kernel
def forward(x, w, b, stride, padding, dilation, groups, y):
    """y[n,i,j,f] = b[f] + Σ_{u,v,c} x[n, i*s+u*d-p, j*s+v*d-p, g(f)*C/G+c] * w[u,v,c,f]   (no flip; zero outside x)

    x (N,H,W,C), w (KH,KW,C/G,F), b (F,) -> y (N,OH,OW,F); OH = (H + 2p - d*(KH-1) - 1)//s + 1; g(f) = f // (F/G).
    C-contiguous float32 or float64. Owns: one thread writes all. Cost: 2*N*OH*OW*F*KH*KW*C/G flop.
    Source: Dumoulin & Visin, arXiv:1603.07285, relationship 6; dilation: section 5.1.
    """
    per_group, filters = w.shape[2], w.shape[3] // groups
    for n in range(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for f in range(y.shape[3]):
                    total = np.float64(b[f])
                    for u in range(w.shape[0]):
                        h = i * stride[0] + u * dilation[0] - padding[0]
                        if h < 0 or h >= x.shape[1]:
                            continue
                        for v in range(w.shape[1]):
                            q = j * stride[1] + v * dilation[1] - padding[1]
                            if q < 0 or q >= x.shape[2]:
                                continue
                            for c in range(per_group):
                                total += np.float64(x[n, h, q, f // filters * per_group + c]) * w[u, v, c, f]
                    y[n, i, j, f] = total


@kernel
def input_grad(dy, w, stride, padding, dilation, groups, dx):
    """dx[n,h,q,c'] = Σ over all (i,j,u,v,f) with i*s+u*d-p = h, j*s+v*d-p = q, g(f) = g(c') of dy[n,i,j,f] * w[u,v,c,f]

    dy (N,OH,OW,F), w (KH,KW,C/G,F) -> dx (N,H,W,C); c = c' mod C/G. Each pixel asks which outputs it fed: those where
    h + p - u*d is a multiple of s. Owns: one thread writes all. Cost: as forward.
    Source: the adjoint of forward; Dumoulin & Visin, arXiv:1603.07285, section 4 (transposed convolution).
    """
    per_group, filters = w.shape[2], w.shape[3] // groups
    for n in range(dx.shape[0]):
        for h in range(dx.shape[1]):
            for q in range(dx.shape[2]):
                for c in range(dx.shape[3]):
                    total = np.float64(0)
                    for u in range(w.shape[0]):
                        i, off = divmod(h + padding[0] - u * dilation[0], stride[0])
                        if off != 0 or i < 0 or i >= dy.shape[1]:
                            continue
                        for v in range(w.shape[1]):
                            j, off = divmod(q + padding[1] - v * dilation[1], stride[1])
                            if off != 0 or j < 0 or j >= dy.shape[2]:
                                continue
                            for f in range(c // per_group * filters, (c // per_group + 1) * filters):
                                total += np.float64(dy[n, i, j, f]) * w[u, v, c % per_group, f]
                    dx[n, h, q, c] = total


@kernel
def weight_grad(x, dy, stride, padding, dilation, groups, dw):
    """dw[u,v,c,f] = Σ_{n,i,j} x[n, i*s+u*d-p, j*s+v*d-p, g(f)*C/G+c] * dy[n,i,j,f]   (zero outside x)

    x (N,H,W,C), dy (N,OH,OW,F) -> dw (KH,KW,C/G,F). Owns: one thread writes all. Cost: as forward.
    Source: d(forward)/dw, forward being linear in w.
    """
    per_group, filters = dw.shape[2], dw.shape[3] // groups
    for u in range(dw.shape[0]):
        for v in range(dw.shape[1]):
            for c in range(per_group):
                for f in range(dw.shape[3]):
                    total = np.float64(0)
                    for n in range(dy.shape[0]):
                        for i in range(dy.shape[1]):
                            h = i * stride[0] + u * dilation[0] - padding[0]
                            if h < 0 or h >= x.shape[1]:
                                continue
                            for j in range(dy.shape[2]):
                                q = j * stride[1] + v * dilation[1] - padding[1]
                                if 0 <= q < x.shape[2]:
                                    total += np.float64(x[n, h, q, f // filters * per_group + c]) * dy[n, i, j, f]
                    dw[u, v, c, f] = total


@kernel
def bias_grad(dy, db):
    """db[f] = Σ_{n,i,j} dy[n,i,j,f]

    dy (N,OH,OW,F) -> db (F,). Owns: one thread writes all. Cost: N*OH*OW*F flop.
    """
    for f in range(db.shape[0]):
        total = np.float64(0)
        for n in range(dy.shape[0]):
            for i in range(dy.shape[1]):
                for j in range(dy.shape[2]):
                    total += dy[n, i, j, f]
        db[f] = total

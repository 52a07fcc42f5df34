"""Two-dimensional convolution and its three gradients: one contract (naive) and its faster equals."""

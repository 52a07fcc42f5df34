"""scratchconv: convolution kernels you can read and trust, and the training engine around them."""

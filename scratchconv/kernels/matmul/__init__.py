"""Matrix product. See README.md; ``tiled.matmul(a, b, transpose_a, transpose_b, out)`` is the one to call."""

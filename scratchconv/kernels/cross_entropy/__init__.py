"""Softmax, its logarithm, and the cross entropy of labels. See README.md."""

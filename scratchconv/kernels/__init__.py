"""Kernels: arrays in, arrays out. One folder per operation, all its algorithms side by side."""

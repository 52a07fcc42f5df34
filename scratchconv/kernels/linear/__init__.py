"""Fully connected layer. See README.md."""

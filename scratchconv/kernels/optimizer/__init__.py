"""Updates of parameters by their gradients. See README.md."""

"""The reference implementation in PyTorch: the same models, the same training command, and the parity report.

Nothing under ``scratchconv/`` imports this package; it imports ``scratchconv`` only where the two are compared.
"""

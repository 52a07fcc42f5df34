"""The parity report: every operation of scratchconv beside PyTorch's, both measured against float64 truth.

``case``     one operation on one geometry, written once for both libraries
``cases``    the literal table of all cases
``evaluate`` runs a case in one library and returns outputs and gradients as arrays
``measure``  the error measure and the allowed factor of each operation
``report``   runs the cases and draws the table
"""

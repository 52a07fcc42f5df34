"""Statistics and normalisation of channels. See README.md; ``vector`` is the module to call."""

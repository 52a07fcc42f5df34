"""Maximum of each window. See README.md; ``vector`` is the module to call."""

"""Sums, variances and maxima along axes. See README.md."""

"""Measurements, and the one writer of every table in the documentation."""

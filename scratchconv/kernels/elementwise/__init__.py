"""Elementwise arithmetic: one number at a time, any shapes that broadcast. See README.md."""

"""Rendering recorded files: the loop, look-ahead, photos, many files in one run, and reports."""

"""Metrics for alpha mattes.

:mod:`livebg.metrics.reference` measures an alpha against the true one. :mod:`livebg.metrics.no_reference` measures temporal
stability and lag from the alpha and the picture only. :mod:`livebg.metrics.statistics` aggregates the frames' values with their
uncertainty. :mod:`livebg.metrics.files` scores files. All process one frame at a time and store a few numbers per frame, so a
clip may have any length. A smoother matte is usually a delayed one, so the edge lag is always reported as well.
"""

"""Measures the cost of livebg as ratios within one run on one machine, which are comparable between machines."""

"""The laboratory: training the bundled network and evaluating networks over data sets.

It is in the repository but not in the wheel. Run it with ``python -m livebg.lab``.
"""

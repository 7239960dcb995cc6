"""The laboratory: trains the bundled network and evaluates networks on data sets.

In the repository, but not in the wheel. Run it with ``python -m livebg.lab``.
"""

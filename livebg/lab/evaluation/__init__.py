"""Evaluation of any network over data sets: ``python -m livebg.lab eval``.

``split`` defines the hold-out, ``networks`` opens several kinds of networks behind one protocol, and one module each measures
pictures with masks, empty rooms, moving people with exact alpha, real clips and CPU time. ``run`` combines them.
"""

"""Evaluation of any network over data sets: ``python -m livebg.lab eval``.

``holdout`` defines the hold-out, ``networks`` opens several kinds of networks behind one protocol, ``stills`` measures
pictures with masks and empty rooms, ``clips`` moving people with exact alpha and real clips, ``cost`` CPU time. ``run`` combines
them.
"""

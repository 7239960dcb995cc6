"""The ruler over sets of pictures and clips, for any network: ``python -m livebg.lab eval``.

``split`` says what is kept aside for it, ``networks`` opens networks of several kinds behind one protocol, and a module each
measures pictures with masks, empty rooms, moving people with exact alpha, real clips and CPU time. ``run`` puts them together.
"""

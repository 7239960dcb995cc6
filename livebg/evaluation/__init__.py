"""The ruler over sets of pictures and clips, for any network: ``livebg models eval``.

``split`` says what is kept aside for it, ``baselines`` opens networks of several kinds behind one protocol, and a module each
measures pictures with masks, empty rooms, moving people with exact alpha, real clips and CPU time. ``run`` puts them together.
"""

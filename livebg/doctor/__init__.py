"""What stands between this machine and a good picture in a call, and what mends it.

A check is a small function that looks at one thing of a :class:`~livebg.doctor.context.Examination` and returns a
:class:`~livebg.doctor.findings.Finding`; :mod:`~livebg.doctor.checks` lists them all and calls one after the other. Nothing here
needs root, changes anything, or starts a camera. All that is asked of the machine goes through :mod:`~livebg.system.host`.
"""

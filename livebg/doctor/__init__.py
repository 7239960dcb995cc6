"""Diagnostics: finds what prevents livebg from working in a video call, and how to fix it.

A check is a small function that examines one aspect of a :class:`~livebg.doctor.context.CheckContext` and returns a
:class:`~livebg.doctor.context.Finding`. :mod:`~livebg.doctor.checks` lists and runs all checks. No check needs root, changes
anything or starts a camera. All access to the machine goes through :mod:`~livebg.system.host`.
"""

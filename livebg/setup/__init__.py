"""Installs livebg's virtual camera and user service, and undoes the installation.

``target`` is the only access to the system. ``loopback`` merges livebg's kernel module options with existing ones and finds the
step that creates the device now, ``plan`` lists all files and commands, ``apply`` applies and undoes a plan, and ``journal``
records it. Nothing is printed or prompted here: that is the command's task.
"""

"""Installing livebg's camera and service, and taking them back.

``target`` is the one door to the system; ``modprobe_options`` merges the kernel module's options with those of others, ``device``
finds what gives the camera now, ``plan`` puts together all that will be written and run, ``apply`` does it and takes it back, and
``journal`` remembers it in between. Nothing is shown or asked here: that is the command's.
"""

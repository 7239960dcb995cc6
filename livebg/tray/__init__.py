"""The tray: an icon that tells how livebg is, and a menu to steer it, in a process of its own.

``view`` says what the running livebg's answer means, ``menu`` what can be done about it, both without any display; ``pictures``
draws the icon. ``app`` keeps them up to date and does what is clicked, by way of ``deeds``; ``icon`` is the thin layer over
pystray, and ``place`` looks beforehand whether the desktop has a place for it.
"""

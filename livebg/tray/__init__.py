"""The tray: an icon that tells how livebg is, and a menu to steer it, in a process of its own.

``status_view`` says what the running livebg's answer means, ``menu`` what can be done about it, both without any display;
``icons`` draws the icon. ``app`` keeps them up to date and does what is clicked, by way of ``actions``; ``icon`` is the thin
layer over pystray, and ``backend`` looks beforehand whether the desktop has a place for it.
"""

"""The window: a live picture of what others see, beside the settings, presets, the camera and problems.

It is a separate process. Pictures come from the preview socket, everything else goes through the control socket.
:mod:`~livebg.window.rows`, :mod:`~livebg.window.state` and :mod:`~livebg.window.problems` decide what to show and need no GTK;
:mod:`~livebg.window.link` and :mod:`~livebg.window.feed` are the threads that talk to livebg. The others are widgets, which
import GTK and are imported after :func:`livebg.window.toolkit.load_toolkit`.
"""

"""Tray icon with a status and a control menu, in a separate process.

``status`` interprets the status of the running livebg and lists cameras, and ``menu`` builds the menu; neither needs a display.
``app`` refreshes both and runs clicked actions through ``actions``. ``icon`` is a thin layer over pystray with the pictures in
``icons``, and ``desktop`` checks beforehand whether the desktop can show a tray icon.
"""

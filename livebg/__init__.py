"""livebg: a webcam, or a recorded file, with the person sharp and the room out of sight."""

from importlib.metadata import version

__version__ = version("livebg")

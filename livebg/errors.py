"""What can go wrong, as people need to hear it.

Every error that livebg raises on purpose is a :class:`LivebgError` whose text is one sentence: what was found, what was
expected, and what to do. The exit code belongs to the kind of error, so that the command line needs no table of its own.
"""

from typing import ClassVar


class LivebgError(Exception):
    """Base of all errors that livebg raises on purpose; anything else that surfaces is a defect."""

    exit_code: ClassVar[int] = 1


class ConfigError(LivebgError):
    """The command line, the configuration file or a ``LIVEBG_*`` variable asks for something that cannot be."""

    exit_code = 2


class SourceError(LivebgError):
    """An input cannot be read."""

    exit_code = 3


class SinkError(LivebgError):
    """An output cannot be written."""

    exit_code = 4


class ModelError(LivebgError):
    """A model is missing, damaged, or not of the shape that livebg can use."""

    exit_code = 5


class NotRunningError(LivebgError):
    """There is no running livebg to ask."""

    exit_code = 6


class SetupError(LivebgError):
    """The system cannot be set up, or not be brought back to how it was."""

    exit_code = 7


class DisplayError(LivebgError):
    """There is no display, or nothing on it in which livebg could be shown."""

    exit_code = 8


class Stopped(LivebgError):
    """The user asked to stop; what was begun has been put away."""

    exit_code = 130

"""The exceptions of livebg.

Every error that livebg raises deliberately is a :class:`LivebgError`. Its text is one line: what happened, then what to do. The
exit code is part of the class, so the command line needs no table of its own.
"""

from typing import ClassVar


class LivebgError(Exception):
    """Base class of all errors that livebg raises deliberately. Any other exception that reaches the user is a bug.

    ``message`` is a sentence about what happened and ``hint`` a sentence about what to do, if known. ``str()`` joins them.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message if hint is None else f"{message} {hint}")
        self.message = message
        self.hint = hint


class ConfigError(LivebgError):
    """The command line, the configuration file or a ``LIVEBG_*`` variable requests something impossible."""

    exit_code = 2


class SourceError(LivebgError):
    """An input cannot be read."""

    exit_code = 3


class SinkError(LivebgError):
    """An output cannot be written."""

    exit_code = 4


class ModelError(LivebgError):
    """A model is missing, damaged or incompatible."""

    exit_code = 5


class NotRunningError(LivebgError):
    """No livebg is running."""

    exit_code = 6


class SetupError(LivebgError):
    """The system cannot be set up or restored."""

    exit_code = 7


class DisplayError(LivebgError):
    """There is no display, or nothing on it that can show livebg."""

    exit_code = 8


class Cancelled(LivebgError):
    """The user requested to stop; unfinished output has been removed."""

    exit_code = 130

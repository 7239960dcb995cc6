"""Opening media files with PyAV 18, the last for Python 3.11, and with those after it, so that both behave alike.

From 19 on tags are always read and written as bytes that may be of any encoding; before, one has to ask for that. And what were
fractions or None there are rationals of libav's own, falsy where nothing is known: whoever keeps one makes it a ``Fraction``.
"""

from collections.abc import Mapping
from typing import Final

import av
from av.container import InputContainer, OutputContainer

_IS_BYTE_EXACT: Final = int(av.__version__.split(".")[0]) >= 19
_ANY_ENCODING: Final = "surrogateescape"


def opened(name: str, options: Mapping[str, str] | None = None) -> InputContainer:
    """A file, or whatever else libav opens by that name, to read from. Raises ``av.FFmpegError`` and OSError."""
    told = dict(options or {})
    if _IS_BYTE_EXACT:
        return av.open(name, "r", container_options=told)
    return av.open(name, "r", container_options=told, metadata_errors=_ANY_ENCODING)


def begun(name: str, container: str, options: Mapping[str, str] | None = None) -> OutputContainer:
    """A new file in ``container`` (libav's name) to write to. Raises ``av.FFmpegError`` and OSError."""
    told = dict(options or {})
    if _IS_BYTE_EXACT:
        return av.open(name, "w", format=container, container_options=told)
    return av.open(name, "w", format=container, container_options=told, metadata_errors=_ANY_ENCODING)

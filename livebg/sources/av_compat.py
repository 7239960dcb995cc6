"""Opens media files with PyAV 18 (the last release for Python 3.11) and later releases, with the same behavior.

PyAV 19 and later always decode tags with surrogateescape; earlier releases need ``metadata_errors``. PyAV 19 also returns libav
rationals, falsy if unknown, for values that were ``Fraction`` or None: convert them to ``Fraction`` before you store them.
"""

from collections.abc import Mapping
from typing import Final

import av
from av.container import InputContainer, OutputContainer

_IS_BYTE_EXACT: Final = int(av.__version__.split(".")[0]) >= 19
_ANY_ENCODING: Final = "surrogateescape"


def open_input(name: str, options: Mapping[str, str] | None = None) -> InputContainer:
    """Open a file, or another input that libav accepts, for reading. Raises ``av.FFmpegError`` and OSError."""
    container_options = dict(options or {})
    if _IS_BYTE_EXACT:
        return av.open(name, "r", container_options=container_options)
    return av.open(name, "r", container_options=container_options, metadata_errors=_ANY_ENCODING)


def open_output(name: str, container: str, options: Mapping[str, str] | None = None) -> OutputContainer:
    """Create a file in ``container`` (libav's name) for writing. Raises ``av.FFmpegError`` and OSError."""
    container_options = dict(options or {})
    if _IS_BYTE_EXACT:
        return av.open(name, "w", format=container, container_options=container_options)
    return av.open(name, "w", format=container, container_options=container_options, metadata_errors=_ANY_ENCODING)

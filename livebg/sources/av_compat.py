"""Opens media files with PyAV 18 (the last release for Python 3.11) and later releases, with the same behavior.

PyAV 19 and later always decode tags with surrogateescape; earlier releases need ``metadata_errors``. PyAV 19 also returns libav
rationals, falsy if unknown, for values that were ``Fraction`` or None: convert them to ``Fraction`` before you store them.

libav adds types of side data with each release, and PyAV reads a picture's side data only if it knows every type.
"""

from collections.abc import Mapping
from typing import Final, cast

import av
from av.container import InputContainer, OutputContainer
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType

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


def display_matrix(picture: av.VideoFrame) -> bytes | None:
    """Return the picture's display matrix, nine native-endian 32-bit integers, or None; ignores all other side data."""
    matrix = cast(SideDataContainer, picture.side_data).get(SideDataType.DISPLAYMATRIX)
    return None if matrix is None else bytes(memoryview(matrix))


def _unknown_side_data(cls: type[SideDataType], value: object) -> SideDataType | None:
    """Return a member for a type that PyAV does not know, such as EXIF in PyAV 18."""
    if not isinstance(value, int):
        return None
    member = object.__new__(cls)
    vars(member).update(_name_=f"UNKNOWN_{value}", _value_=value)
    return member


# Enum's hook for unknown values. PyAV constructs the members in compiled code, so no wrapper can do this.
setattr(SideDataType, "_missing_", classmethod(_unknown_side_data))  # noqa: B010 - mypy rejects the assignment

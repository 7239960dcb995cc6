"""Parses colors, sizes and times."""

import math
from typing import Final

_MAX_SHOWN: Final = 40
"""Characters of invalid input that a message repeats."""


def parse_color(text: str) -> tuple[int, int, int]:
    """Return red, green and blue (0..255) of ``#rrggbb``. Raises ValueError."""
    digits = text.removeprefix("#")
    if not text.startswith("#") or len(digits) != 6 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
        raise ValueError(f"{_quoted(text)} is not a color. Write #rrggbb, such as #00ff00.")
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def parse_size(text: str) -> tuple[int, int] | None:
    """Return width and height (16..4096) of ``WIDTHxHEIGHT``, None for ``auto``. Raises ValueError."""
    if text == "auto":
        return None
    width, cross, height = text.partition("x")
    if not cross or len(text) > _MAX_SHOWN or not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        raise ValueError(f"{_quoted(text)} is not a size. Write WIDTHxHEIGHT, such as 256x144.")
    if not (16 <= int(width) <= 4096 and 16 <= int(height) <= 4096):
        raise ValueError(f"{text} is out of range. Width and height must be 16 to 4096.")
    return int(width), int(height)


def check_frame_size(text: str) -> str:
    """Return ``text`` if it is a size, not ``auto``. Raises ValueError otherwise."""
    if parse_size(text) is None:
        raise ValueError("'auto' is not allowed here. Write WIDTHxHEIGHT, such as 1280x720.")
    return text


def check_output_size(text: str) -> str:
    """Return ``text`` if it is ``auto`` or an even size. Raises ValueError otherwise."""
    size = parse_size(text)
    if size and (size[0] % 2 or size[1] % 2):
        raise ValueError(f"{text} is odd. The width and height of a virtual camera must be even.")
    return text


def parse_time(text: str) -> float:
    """Return the seconds of ``SS``, ``MM:SS`` or ``HH:MM:SS``, with optional decimals. Raises ValueError."""
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or any(not 0 <= part < math.inf for part in parts) or any(part >= 60 for part in parts[1:]):
        raise ValueError(f"{_quoted(text)} is not a time. Write seconds or HH:MM:SS, such as 90, 1:30 or 0:01:30.5.")
    return math.fsum(part * 60**power for power, part in enumerate(reversed(parts)))


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}...")

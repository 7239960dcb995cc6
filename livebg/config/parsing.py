"""How people write colours, sizes and times."""

import math
from typing import Final

_LONGEST: Final = 40
"""Characters of a mistake that are repeated in a sentence."""


def parse_color(text: str) -> tuple[int, int, int]:
    """``#rrggbb`` to red, green and blue, 0..255. Raises ValueError."""
    digits = text.removeprefix("#")
    if not text.startswith("#") or len(digits) != 6 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
        raise ValueError(f"{_quoted(text)} is not a colour: write #rrggbb, such as #00ff00")
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def parse_size(text: str) -> tuple[int, int] | None:
    """``WIDTHxHEIGHT`` to both numbers, ``auto`` to None. Raises ValueError."""
    if text == "auto":
        return None
    width, cross, height = text.partition("x")
    if not cross or len(text) > _LONGEST or not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        raise ValueError(f"{_quoted(text)} is not a size: write WIDTHxHEIGHT, such as 256x144")
    if not (16 <= int(width) <= 4096 and 16 <= int(height) <= 4096):
        raise ValueError(f"{text} is out of range: width and height are 16 to 4096")
    return int(width), int(height)


def parse_time(text: str) -> float:
    """Seconds, ``MM:SS`` or ``HH:MM:SS``, each with decimals if wanted, to seconds. Raises ValueError."""
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or any(not 0 <= part < math.inf for part in parts) or any(part >= 60 for part in parts[1:]):
        raise ValueError(f"{_quoted(text)} is not a time: write seconds or HH:MM:SS, such as 90, 1:30 or 0:01:30.5")
    return math.fsum(part * 60**power for power, part in enumerate(reversed(parts)))


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")

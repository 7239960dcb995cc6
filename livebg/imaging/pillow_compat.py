"""What Pillow's readers raise for damaged pictures, and how to keep them from talking past livebg."""

import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_LOG: Final = logging.getLogger(__name__)

READ_FAILURES: Final = (
    ArithmeticError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""Whatever a picture's bytes lead a reader into: each format has one of its own, and they check little of what they read."""


@contextmanager
def reading() -> Iterator[None]:
    """Inside the ``with`` block what Pillow warns of, damaged EXIF data or many pixels, is logged and not printed."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield
    for warning in told:
        _LOG.debug("%s", warning.message)

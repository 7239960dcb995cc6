"""Handles the exceptions and warnings of Pillow's readers for damaged pictures."""

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
"""Exceptions that damaged pictures cause. Each format has its own reader, and most of them validate little."""


@contextmanager
def log_warnings() -> Iterator[None]:
    """Log Pillow's warnings (damaged EXIF data, very large pictures) inside the ``with`` block instead of printing them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        _LOG.debug("%s", warning.message)

"""Settings of the C library's memory allocator."""

import ctypes
import sys
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Parameters of mallopt(3)."""

_LARGEST_PICTURE: Final = 32 * 2**20
"""Bytes; the most that glibc takes for M_MMAP_THRESHOLD. An I420 frame of 5K has 22 MB."""


def keep_freed_memory() -> None:
    """Let freed pictures stay in the process, up to 64 MB, for the next ones.

    glibc returns them to the kernel, which has to clear every page for the next frame: at 1080p a tenth of the CPU time. Does
    nothing with another C library.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_PICTURE)
        mallopt(_M_TRIM_THRESHOLD, 2 * _LARGEST_PICTURE)

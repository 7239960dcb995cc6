"""The checksums of FFV1 packets (RFC 9043, section 4.9).

libav's decoder replaces a damaged slice by that of the picture before, and only logs it.
"""

import zlib
from typing import Final

_SIZE_BYTES: Final = 3
_FOOTER_BYTES: Final = 8
"""The slice's size, its error status, one byte, and the checksum, four bytes."""
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_ONES: Final = 0xFFFFFFFF


def has_valid_checksums(packet: bytes) -> bool:
    """Return whether each slice of the packet has a valid checksum; False if the file has none."""
    end = len(packet)
    while end > 0:
        footer = end - _FOOTER_BYTES
        if footer < 0:
            return False
        begin = footer - int.from_bytes(packet[footer : footer + _SIZE_BYTES], "big")
        # FFV1 takes the most significant bit first and starts with 0, zlib the opposite. The sum including the checksum is 0.
        if begin < 0 or zlib.crc32(packet[begin:end].translate(_REVERSED), _ONES) != _ONES:
            return False
        end = begin
    return len(packet) > 0

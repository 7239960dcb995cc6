"""``writer.py DEVICE WIDTH HEIGHT FORMAT``: another writer to a loopback device: a still picture, ten times a second.

The picture is bars of 75 %, eight to its width, in YUYV; in other formats it is gray. It prints the format that the device took.
"""

import os
import sys
import time
from typing import Final

from livebg.v4l2 import abi
from tests.system.inside.video import open_writer

BARS: Final = (
    (180, 128, 128),
    (162, 44, 142),
    (131, 156, 44),
    (112, 72, 58),
    (84, 184, 198),
    (65, 100, 212),
    (35, 212, 114),
    (16, 128, 128),
)


def main(device: str, width: str, height: str, pixel_format: str) -> None:
    fd, pix = open_writer(device, int(width), int(height), pixel_format)
    sys.stdout.write(f"{pix.width} {pix.height} {abi.fourcc_text(pix.pixelformat)} {pix.sizeimage}\n")
    sys.stdout.flush()
    picture = _bars(pix) if pixel_format == "YUYV" else b"\x80" * pix.sizeimage
    while True:
        os.write(fd, picture)
        time.sleep(0.1)


def _bars(pix: abi.PixFormat) -> bytes:
    row = bytearray(b"\x80" * pix.bytesperline)
    for column in range(pix.width):
        luma, *chroma = BARS[column * 8 // pix.width]
        row[column * 2] = luma
        row[column * 2 + 1] = chroma[column % 2]
    picture = bytes(row) * pix.height
    return picture + bytes(pix.sizeimage - len(picture))


if __name__ == "__main__":
    main(*sys.argv[1:])

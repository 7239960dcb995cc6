"""``recorder.py DEVICE FILE``: stores every picture of a device until it stops.

The file: the format as a line of JSON, then each picture as its time (seconds, monotonic), its number, its length, and its bytes;
a picture that equals the one before has the length 0 and no bytes.
"""

import errno
import json
import os
import struct
import sys
import time

from livebg.v4l2 import abi
from tests.system.inside.video import Reader


def main(device: str, path: str) -> None:
    with Reader(device) as reader:
        pix = reader.format.pix
        form = {"width": pix.width, "height": pix.height, "pixel_format": abi.fourcc_text(pix.pixelformat)}
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(file, json.dumps(form).encode() + b"\n")
        last = b""
        while True:
            try:
                picture = reader.next(1.0)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                sys.stderr.write(f"{time.monotonic():.3f} {error}\n")
                time.sleep(0.1)
                continue
            if picture is None:
                continue
            data = b"" if picture.data == last else picture.data
            last = picture.data
            os.write(file, struct.pack("<dII", time.monotonic(), picture.number, len(data)) + data)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""``cycles.py DEVICE COUNT``: repeatedly opens a device, reads a picture and closes it; prints how often it got a picture."""

import sys

from tests.system.inside.video import Reader


def main(device: str, count: str) -> None:
    came = 0
    for _ in range(int(count)):
        with Reader(device) as reader:
            came += reader.next(10.0) is not None
    sys.stdout.write(f"{came}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

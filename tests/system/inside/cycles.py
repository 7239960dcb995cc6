"""``cycles.py DEVICE COUNT``: opens a device, takes a picture and leaves, again and again; prints how often a picture came."""

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

"""A microphone program, and whether it runs."""

import os
import sys
from pathlib import Path

FAKE_PAREC = f"""#!{sys.executable}
import array, sys, time
while True:
    sys.stdout.buffer.write(array.array("h", ([8000] * 24 + [-8000] * 24) * 40).tobytes())
    sys.stdout.buffer.flush()
    time.sleep(0.04)
"""
"""Records a tone as ``parec`` does."""


def write_program(path: Path, text: str = FAKE_PAREC) -> None:
    """Write a program that can be run."""
    path.write_text(text)
    path.chmod(0o755)


def noting_its_pid(pid: Path, text: str = FAKE_PAREC) -> str:
    """Return the program ``text`` with the process id written to the file ``pid`` first."""
    shebang, rest = text.split("\n", 1)
    return f"{shebang}\nimport os, pathlib\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\n{rest}"


def is_running(pid: Path) -> bool:
    """Return whether the program runs that wrote its process id to the file ``pid``."""
    try:
        os.kill(int(pid.read_text()), 0)
    except ProcessLookupError:
        return False
    return True

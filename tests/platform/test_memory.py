import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from livebg.platform.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def frame():
    pictures = [np.ones(3_000_000, np.uint8) for _ in range(4)]
frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    frame()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, timeout=60, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="Only glibc has these settings")
def test_freed_pictures_are_used_again() -> None:
    """Otherwise the kernel clears each page of 80 pictures again: 58,000 page faults."""
    assert page_faults("keep") < page_faults("default") / 5

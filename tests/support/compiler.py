"""The C compiler of this machine, for tests that compile the kernels."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from livebg.native.build import is_supported

COMPILER = os.environ.get("CC") or "cc"


def require_compiler() -> None:
    """Skip the test, with the reason, where the kernels cannot be compiled."""
    if not is_supported():
        pytest.skip("there are no kernels for this platform")
    if shutil.which(COMPILER.split()[0]) is None:
        pytest.skip("no C compiler: sudo apt install gcc")
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        pytest.skip("no Python.h: sudo apt install python3-dev")


def compiler_library(name: str) -> str:
    """Return the path of one of the compiler's libraries. Skips the test without it."""
    command = (*COMPILER.split(), f"-print-file-name={name}")
    path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(path).is_absolute():
        pytest.skip(f"the compiler has no {name}")
    return path

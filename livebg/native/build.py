"""Compiles the kernels with the C compiler ``cc`` or ``$CC``, as an extension for CPython 3.11 and later.

The build hook runs this module when livebg is installed, without importing livebg. In a clone, ``python -m livebg.native.build``
compiles changed kernels.
"""

import hashlib
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
_PLATFORM: Final = sysconfig.get_platform()
MODULE: Final = "livebg.native._kernels"
EXTENSION: Final = "_kernels.abi3.so"
TAG: Final = f"cp311-abi3-{_PLATFORM.replace('-', '_').replace('.', '_')}"
"""Tag of a wheel with the extension."""
_SOURCES: Final = ("build.py", "kernels.c", "kernels.h")
_CPU_FLAGS: Final = {"linux-x86_64": ("-mavx2", "-mfma"), "linux-aarch64": ()}
"""The platforms, with flags for the kernels alone: the rest of the extension runs on any CPU and checks for these features."""
_FLAGS: Final = ("-O3", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden", "-DPy_LIMITED_API=0x030b0000")
_WARNINGS: Final = ("-Wall", "-Wextra", "-Wpedantic")
_FACTS: Final = "const char *livebg_fingerprint(void); int livebg_cpu_supported(void);"
_GLUE: Final = """
#include <stdint.h>
#include "kernels.h"

static const char *livebg_fingerprint(void) { return "%s"; }

static int livebg_cpu_supported(void)
{
#ifdef __x86_64__
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return 1;
#endif
}
"""


class BuildError(Exception):
    """The extension cannot be compiled here. Its text is the reason, a phrase."""


def fingerprint(folder: Path = FOLDER) -> str:
    """Return a hash of the sources in ``folder`` and of this module. Raises OSError."""
    return hashlib.sha256(b"\0".join((folder / name).read_bytes() for name in _SOURCES)).hexdigest()


def is_supported() -> bool:
    """Return whether the kernels were made for this kind of Python and platform."""
    return _PLATFORM in _CPU_FLAGS and sys.maxsize > 2**32 and sys.implementation.name == "cpython"


def build(target: Path = FOLDER, sources: Path = FOLDER, flags: Sequence[str] = ()) -> Path:
    """Compile ``sources`` and return the extension, a new file in the folder ``target``.

    ``flags`` follow the usual ones of the compiler and linker. Raises BuildError.
    """
    headers = sysconfig.get_path("include")
    if not is_supported():
        raise BuildError(f"no kernels for {sys.implementation.name} on {_PLATFORM}")
    if not Path(headers, "Python.h").is_file():
        raise BuildError(f"{headers} has no Python.h")
    compiler = (*shlex.split(os.environ.get("CC") or "cc"), *_FLAGS, f"-I{sources.resolve()}", f"-I{headers}", *flags)
    kernels = str((sources / "kernels.c").resolve())
    try:
        with tempfile.TemporaryDirectory(dir=target, prefix=".build-") as folder:
            _write_glue(Path(folder, "glue.c"), sources)
            _run(folder, *compiler, "-c", "glue.c")
            _run(folder, *compiler, *_WARNINGS, *_CPU_FLAGS[_PLATFORM], "-c", kernels)
            _run(folder, *compiler, "-shared", "glue.o", "kernels.o", "-lm", "-s", "-Wl,--build-id=none", "-o", EXTENSION)
            return Path(folder, EXTENSION).replace(target / EXTENSION)
    except OSError as error:
        raise BuildError(str(error)) from error


def _write_glue(path: Path, sources: Path) -> None:
    """Write the C source of the module, which converts arguments, calls the kernels and knows what they were compiled from."""
    try:
        from cffi import FFI
    except ImportError as error:
        raise BuildError(f"cffi does not load ({error})") from error
    ffi = FFI()
    ffi.cdef(_FACTS + (sources / "kernels.h").read_text("utf-8"))
    ffi.set_source(MODULE, _GLUE % fingerprint(sources), compiler_verbose=False)
    ffi.emit_c_code(str(path))


def _run(folder: str, *command: str) -> None:
    """Run a command in ``folder``, so that the results do not contain its path. Raises BuildError and OSError."""
    environment = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        output = done.stderr.strip().splitlines()
        reason = next((line for line in output if "error" in line), "no message")
        raise BuildError(f"{command[0]} failed with exit code {done.returncode}: {reason}")


if __name__ == "__main__":
    build()

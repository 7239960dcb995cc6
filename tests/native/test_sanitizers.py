"""The kernels under the compiler's sanitizers: no access outside of the arrays, no undefined behavior."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from livebg.native.build import EXTENSION, FOLDER, build
from tests.support.compiler import compiler_library, require_compiler

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
CALL = """
import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import module_from_spec
name, path, count = "livebg.native._kernels", sys.argv[1], int(sys.argv[2])
module = module_from_spec(ModuleSpec(name, ExtensionFileLoader(name, path), origin=path))
buffer = bytearray(1000)
module.lib.fill(module.ffi.from_buffer("uint8_t[]", buffer), count)
"""


def sanitized(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the library of the address sanitizer."""
    # Python's own objects live until the process ends, which counts as a leak.
    variables = {"LD_PRELOAD": compiler_library("libasan.so"), "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"}
    command = (sys.executable, *arguments)
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=600, check=False)


def test_kernels_have_no_sanitizer_error(tmp_path: Path) -> None:
    require_compiler()
    build(tmp_path, flags=SANITIZERS)
    done = sanitized("-m", "tests.native", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" passed\n")


@pytest.mark.parametrize(("count", "fails"), [(1000, False), (1100, True)])
def test_sanitizer_detects_write_behind_array(count: int, fails: bool, tmp_path: Path) -> None:
    require_compiler()
    shutil.copy(FOLDER / "build.py", tmp_path)
    (tmp_path / "kernels.h").write_text("void fill(uint8_t *out, int32_t count);\n")
    loop = "for (int32_t i = 0; i < count; i++) out[i] = (uint8_t)i;"
    source = f'#include <stdint.h>\n#include "kernels.h"\nvoid fill(uint8_t *out, int32_t count) {{ {loop} }}\n'
    (tmp_path / "kernels.c").write_text(source)
    build(tmp_path, tmp_path, SANITIZERS)
    done = sanitized("-c", CALL, str(tmp_path / EXTENSION), str(count))
    assert ("AddressSanitizer: heap-buffer-overflow" in done.stderr) == fails
    assert (done.returncode != 0) == fails

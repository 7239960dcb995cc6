"""Loading the compiled kernels, and the reasons for NumPy to do their work instead."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from livebg.errors import LivebgError
from livebg.native import Kernels, kernel_status, kernels, load_kernels
from livebg.native.build import EXTENSION, FOLDER, build
from tests.support.compiler import require_compiler

PRINT_STATUS = "from livebg.native import kernel_status, kernels; print(kernel_status(), kernels() is None)"
PRINT_LOADED = """
import sys
from pathlib import Path
from livebg.native import load_kernels
load_kernels(Path(sys.argv[1]))
"""


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """A folder with the extension."""
    require_compiler()
    build(tmp_path)
    return tmp_path


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the sources, to change."""
    for path in FOLDER.iterdir():
        if path.suffix in (".c", ".h", ".py"):
            shutil.copy(path, tmp_path)
    return tmp_path


def reason(folder: Path) -> str:
    with pytest.raises(LivebgError) as caught:
        load_kernels(folder)
    return caught.value.message


def test_compiled_kernels_load(compiled: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(load_kernels(compiled), Kernels)
    assert caplog.records == []


@pytest.mark.parametrize("code", ["B", "i", "l", "f"])
def test_pointer_accepts_contiguous_arrays(code: str, compiled: Path) -> None:
    native = load_kernels(compiled)
    array = np.zeros((4, 6), code)
    array.flags.writeable = False
    assert native.pointer(array)[0] == 0
    assert len(native.pointer(array[:2])) == 12
    with pytest.raises(ValueError, match="read-only"):
        native.pointer(array, writable=True)
    with pytest.raises(ValueError, match="contiguous"):
        native.pointer(array[:, 1:])
    with pytest.raises(KeyError):
        native.pointer(array.astype(np.float64))


def test_status_agrees_with_kernels() -> None:
    status = kernel_status()
    assert (status.implementation == "native") == (status.reason is None) == (kernels() is not None)


def test_missing_extension_is_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    require_compiler()
    assert reason(tmp_path) == "livebg was installed without compiled kernels."
    assert caplog.records == []


@pytest.mark.parametrize("content", [b"", b"no library"])
def test_damaged_extension_does_not_load(content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    require_compiler()
    (tmp_path / EXTENSION).write_bytes(content)
    assert reason(tmp_path).startswith("The compiled kernels do not load (")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("name", ["build.py", "kernels.c", "kernels.h"])
def test_extension_of_other_sources_does_not_load(name: str, sources: Path, caplog: pytest.LogCaptureFixture) -> None:
    require_compiler()
    with (sources / name).open("a") as file:
        file.write("# changed\n" if name == "build.py" else "/* changed */\n")
    build(sources, sources)
    assert reason(sources) == "The compiled kernels are those of another version."
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert EXTENSION in caplog.text


@pytest.mark.parametrize("value", ["0", "1"])
def test_variable_turns_kernels_off(value: str) -> None:
    command = (sys.executable, "-c", PRINT_STATUS)
    done = subprocess.run(command, env=os.environ | {"LIVEBG_NATIVE": value}, capture_output=True, text=True, check=True)
    off = done.stdout == "KernelStatus(implementation='NumPy', reason='LIVEBG_NATIVE is 0.', hint='Unset it.') True\n"
    assert off == (value == "0")


@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="qemu-user is not installed: sudo apt install qemu-user")
@pytest.mark.parametrize(("cpu", "runs"), [("Nehalem", False), ("SandyBridge", False), ("Haswell", True)])
def test_cpu_without_fma_is_detected(cpu: str, runs: bool, compiled: Path) -> None:
    command = ("qemu-x86_64", "-cpu", cpu, sys.executable, "-c", PRINT_LOADED, str(compiled))
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode == 0) == runs, done.stderr
    assert ("LivebgError: The CPU lacks AVX2 or FMA instructions." in done.stderr) != runs

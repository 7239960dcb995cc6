"""Compiling the kernels, and the reasons not to."""

import subprocess
import sys
import sysconfig
from inspect import signature
from pathlib import Path

import pytest

from livebg.native import KernelLibrary, load_kernels
from livebg.native.build import EXTENSION, FOLDER, BuildError, build
from tests.support.compiler import require_compiler


def test_kernels_compile_without_warnings(tmp_path: Path) -> None:
    require_compiler()
    assert build(tmp_path, flags=["-Werror"]) == tmp_path / EXTENSION
    assert [path.name for path in tmp_path.iterdir()] == [EXTENSION]


def test_build_is_reproducible(tmp_path: Path) -> None:
    require_compiler()
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        build(folder)
    assert (folders[0] / EXTENSION).read_bytes() == (folders[1] / EXTENSION).read_bytes()


def test_protocol_declares_functions_of_header(tmp_path: Path) -> None:
    require_compiler()
    build(tmp_path)
    library = load_kernels(tmp_path).lib
    declared = {name for name in dir(library) if name not in ("livebg_fingerprint", "livebg_cpu_supported")}
    protocol = {name: each for name, each in vars(KernelLibrary).items() if not name.startswith("_")}
    assert protocol.keys() == declared
    header = (FOLDER / "kernels.h").read_text("utf-8")
    for name, function in protocol.items():
        arguments = header.partition(f"{name}(")[2].partition(")")[0]
        assert arguments.count(",") + 1 == len(signature(function).parameters) - 1, name  # self


def test_kernels_stay_below_500_lines() -> None:
    assert len([line for name in ("kernels.c", "kernels.h") for line in (FOLDER / name).read_text().splitlines()]) <= 500


@pytest.mark.parametrize(
    ("compiler", "words"),
    [
        ("no-such-compiler", "No such file or directory: 'no-such-compiler'"),
        ("false", "false failed with exit code 1: no message"),
        ("sh -c 'echo x.c:1: error: no; exit 1'", "sh failed with exit code 1: no message"),
        ("sh -c 'echo x.c:1: error: no >&2; exit 1'", "sh failed with exit code 1: x.c:1: error: no"),
    ],
)
def test_failing_compiler_is_reported(compiler: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_compiler()
    monkeypatch.setenv("CC", compiler)
    with pytest.raises(BuildError) as caught:
        build(tmp_path)
    assert str(caught.value).endswith(words)
    assert list(tmp_path.iterdir()) == []


def test_missing_headers_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_compiler()
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tmp_path))
    with pytest.raises(BuildError, match=r"has no Python\.h"):
        build(tmp_path)


def test_missing_target_is_reported(tmp_path: Path) -> None:
    require_compiler()
    with pytest.raises(BuildError, match="No such file or directory"):
        build(tmp_path / "missing")


def test_build_module_imports_nothing_of_livebg() -> None:
    """The build hook runs it before livebg's dependencies are installed."""
    script = "import runpy, sys; runpy.run_path(sys.argv[1]); print(*sys.modules)"
    done = subprocess.run((sys.executable, "-c", script, str(FOLDER / "build.py")), capture_output=True, text=True, check=True)
    assert not {"livebg", "numpy", "cffi"} & set(done.stdout.split())

"""The fingerprint of an installation, which decides whether segments fit together."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import livebg
from livebg.errors import ModelError
from livebg.models import find
from livebg.native import NATIVE_VARIABLE
from livebg.rendering.fingerprint import CPU, difference, environment_fingerprint, network_fingerprint
from tests.support.toy_network import ToyNetwork, WriteToy, settings_with


def fingerprint_elsewhere(folder: Path, **variables: str) -> dict[str, str]:
    """The fingerprint in a process that imports livebg from ``folder``."""
    code = "import json; from livebg.rendering.fingerprint import *; print(json.dumps(environment_fingerprint()))"
    environment = {**os.environ, "PYTHONPATH": str(folder), **variables}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=folder)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_fingerprint_is_equal_in_another_process() -> None:
    ours = environment_fingerprint()
    assert fingerprint_elsewhere(Path(livebg.__file__).parents[1]) == ours
    assert ours["numpy"] == np.__version__
    assert ours["livebg"].startswith(livebg.__version__)
    assert CPU in ours


def test_fingerprint_names_kernels() -> None:
    found = fingerprint_elsewhere(Path(livebg.__file__).parents[1], **{NATIVE_VARIABLE: "0"})
    assert difference({**found, "kernels": "native"}, found) == "kernels NumPy instead of native"


def test_fingerprint_changes_with_code(tmp_path: Path) -> None:
    """A clone of the same version with another line of code."""
    copy = tmp_path / "livebg"
    package = Path(livebg.__file__).parent
    for path in package.rglob("*"):
        if path.suffix in {".py", ".c", ".h"} and "lab" not in path.parts:
            target = copy / path.relative_to(package)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    ours = environment_fingerprint()
    assert fingerprint_elsewhere(tmp_path)["livebg"] == ours["livebg"]
    changed = copy / "segmentation" / "despeckle.py"
    changed.write_text(changed.read_text() + "\n# another line\n")
    found = fingerprint_elsewhere(tmp_path)
    assert found["livebg"] != ours["livebg"]
    assert difference(ours, found) == f"livebg {found['livebg']} instead of {ours['livebg']}"


def test_network_fingerprint_is_hash_of_its_file(write_toy: WriteToy) -> None:
    path = write_toy(ToyNetwork())
    assert network_fingerprint(settings_with(str(path))) == find(str(path)).sha256
    before = network_fingerprint(settings_with(str(path)))
    path.write_bytes(path.read_bytes() + b"\0")
    assert network_fingerprint(settings_with(str(path))) != before


def test_network_fingerprint_of_missing_file_fails(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.onnx does not exist"):
        network_fingerprint(settings_with(str(tmp_path / "gone.onnx")))


@pytest.mark.parametrize(
    ("expected", "found", "phrase"),
    [
        ({"numpy": "2.4.6"}, {"numpy": "2.4.6"}, None),
        ({"numpy": "2.4.6"}, {"numpy": "2.3.1"}, "numpy 2.3.1 instead of 2.4.6"),
        ({"numpy": "2.4.6"}, {}, "numpy missing instead of 2.4.6"),
        ({}, {"numpy": "2.4.6"}, "numpy 2.4.6 instead of missing"),
    ],
)
def test_difference_names_both_versions(expected: dict[str, str], found: dict[str, str], phrase: str | None) -> None:
    assert difference(expected, found) == phrase

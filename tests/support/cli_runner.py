"""The command line under test: in this process where that is faithful, else in one of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from livebg.cli import app
from livebg.lab.__main__ import app as lab_app
from tests.support.toy_network import ToyNetwork


@dataclass(frozen=True)
class Said:
    """The exit code of a command, and what it said on standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> list[dict[str, Any]]:
        """The lines of standard output, each of them JSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def sentence(self) -> str:
        """The one line of standard error, which a person gets to read."""
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("livebg: ")
        return lines[0].removeprefix("livebg: ")


class Workshop:
    """A folder of one's own to work in, without the user's settings and cache, and with ``toy.onnx`` in it."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        patch.chdir(self.folder)
        for name in [name for name in os.environ if name.upper().startswith("LIVEBG_")]:
            patch.delenv(name)
        for kind in ("CONFIG", "CACHE", "STATE", "DATA"):
            patch.setenv(f"XDG_{kind}_HOME", str(folder / kind.lower()))
        # Nobody downloads anything: a proxy that is not there, and no index.
        for name in ("http_proxy", "https_proxy"):
            patch.setenv(name, "http://127.0.0.1:9")
        patch.setenv("PIP_NO_INDEX", "1")
        # Nobody is where it is dark, somebody where it is bright, for certain.
        ToyNetwork(gain=1.6, offset=-0.3).write(self.folder / "toy.onnx")

    def livebg(self, *arguments: str) -> Said:
        """Run ``livebg ARGUMENTS`` here. Warnings are errors, and defects come as they are."""
        result = CliRunner().invoke(app, arguments, prog_name="livebg", catch_exceptions=False)
        return Said(result.exit_code, result.stdout, result.stderr)

    def lab(self, *arguments: str) -> Said:
        """Run ``python -m livebg.lab ARGUMENTS`` here."""
        result = CliRunner().invoke(lab_app, arguments, prog_name="python -m livebg.lab", catch_exceptions=False)
        return Said(result.exit_code, result.stdout, result.stderr)

    def render(self, *arguments: str) -> Said:
        """``livebg render`` with the toy network, unless the arguments name another."""
        return self.livebg("render", *arguments, *(() if "--model" in arguments else ("--model", "toy.onnx")))

    def process(self, *arguments: str, prefix: tuple[str, ...] = (), env: Mapping[str, str] | None = None) -> Said:
        """``python -m livebg ARGUMENTS`` as a process, where ``prefix`` is a command that starts others."""
        command = [*prefix, sys.executable, "-m", "livebg", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=60, check=False)
        return Said(done.returncode, done.stdout, done.stderr)

    def files(self) -> set[str]:
        """Everything in the folder, hidden or not, by its relative path."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")} - {"toy.onnx"}


def refused(shop: Workshop, code: int, *arguments: str) -> str:
    """Render, which must fail with the code and leave the folder as it was; the sentence that is said."""
    before = shop.files()
    said = shop.render(*arguments)
    assert said.code == code, said.err
    assert shop.files() == before
    return said.sentence


def known(path: Path | None) -> Path:
    """Return a path that depends on the home directory, which exists in these tests."""
    assert path is not None
    return path

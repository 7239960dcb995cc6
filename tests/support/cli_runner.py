"""Run the command line in the test process where that is equivalent, otherwise in a separate process."""

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
class CommandResult:
    """The exit code of a command, its standard output and its standard error."""

    code: int
    out: str
    err: str

    @property
    def json_lines(self) -> list[dict[str, Any]]:
        """The lines of standard output, each of them JSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error_line(self) -> str:
        """The one line of standard error, which a person gets to read."""
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("livebg: ")
        return lines[0].removeprefix("livebg: ")


def unset_variables(patch: pytest.MonkeyPatch) -> None:
    """Remove livebg's variables from the environment."""
    for name in [name for name in os.environ if name.upper().startswith("LIVEBG_")]:
        patch.delenv(name)


class LivebgCli:
    """A separate working folder with ``toy.onnx``, without the user's settings and cache."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        patch.chdir(self.folder)
        unset_variables(patch)
        for kind in ("CONFIG", "CACHE", "STATE", "DATA"):
            patch.setenv(f"XDG_{kind}_HOME", str(folder / kind.lower()))
        # No downloads: a proxy that does not exist, and no index.
        for name in ("http_proxy", "https_proxy"):
            patch.setenv(name, "http://127.0.0.1:9")
        patch.setenv("PIP_NO_INDEX", "1")
        # Alpha 0 where it is dark, 1 where it is bright.
        ToyNetwork(gain=1.6, offset=-0.3).write(self.folder / "toy.onnx")

    def livebg(self, *arguments: str) -> CommandResult:
        """Run ``livebg ARGUMENTS`` here. Warnings are errors, and defects come as they are."""
        result = CliRunner().invoke(app, arguments, prog_name="livebg", catch_exceptions=False)
        return CommandResult(result.exit_code, result.stdout, result.stderr)

    def lab(self, *arguments: str) -> CommandResult:
        """Run ``python -m livebg.lab ARGUMENTS`` here."""
        result = CliRunner().invoke(lab_app, arguments, prog_name="python -m livebg.lab", catch_exceptions=False)
        return CommandResult(result.exit_code, result.stdout, result.stderr)

    def render(self, *arguments: str) -> CommandResult:
        """``livebg render`` with the toy network, unless the arguments name another."""
        return self.livebg("render", *arguments, *(() if "--model" in arguments else ("--model", "toy.onnx")))

    def process(self, *arguments: str, prefix: tuple[str, ...] = (), env: Mapping[str, str] | None = None) -> CommandResult:
        """``python -m livebg ARGUMENTS`` as a process, where ``prefix`` is a command that starts others."""
        command = [*prefix, sys.executable, "-m", "livebg", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=60, check=False)
        return CommandResult(done.returncode, done.stdout, done.stderr)

    def files(self) -> set[str]:
        """Everything in the folder, hidden or not, by its relative path."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")} - {"toy.onnx"}


def render_error(cli: LivebgCli, code: int, *arguments: str) -> str:
    """Check that rendering fails with the code and leaves the folder unchanged; return the error line."""
    before = cli.files()
    result = cli.render(*arguments)
    assert result.code == code, result.err
    assert cli.files() == before
    return result.error_line


def known(path: Path | None) -> Path:
    """Return a path that depends on the home directory, which exists in these tests."""
    assert path is not None
    return path

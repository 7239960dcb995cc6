"""The commands that hot keys and scripts run start quickly: they import nothing that only pictures and settings need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from livebg.cli import app

SLOW = {"numpy", "cv2", "av", "onnxruntime", "PIL", "pydantic", "pydantic_settings", "importlib.metadata", "asyncio"}
PRINT_COST = """
import atexit, sys

calls = 0

def count(frame, event, argument):
    global calls
    calls += event in ("call", "c_call")

def report():
    sys.setprofile(None)
    print("imported", calls, *sys.modules, file=sys.stderr)

atexit.register(report)
sys.setprofile(count)
"""
"""Prints at exit how many functions were called, and what was imported."""
BASELINE = "import typer, rich.console"
LIVEBG = "from livebg.cli import main; main()"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No livebg is running for this environment."""
    return os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}


@pytest.fixture(scope="module")
def baseline() -> int:
    """The function calls of importing typer and rich."""
    return cost(BASELINE, [], dict(os.environ))[0]


@pytest.mark.parametrize(
    ("argument", "limit"), [("--version", 2.4), ("--help", 3.9), ("status", 2.4), ("stop", 2.4), ("toggle", 2.4)]
)
def test_command_starts_quickly(argument: str, limit: float, baseline: int, environment: dict[str, str]) -> None:
    """It imports nothing slow, and calls few functions beside those that importing typer and rich calls."""
    calls, imported = cost(LIVEBG, [argument], environment)
    assert "livebg.cli" in imported
    assert not imported & SLOW
    assert calls < limit * baseline


def cost(program: str, arguments: list[str], environment: dict[str, str]) -> tuple[int, set[str]]:
    """Return the number of function calls, which other programs on the machine do not change, and the imported modules."""
    command = [sys.executable, "-c", PRINT_COST + program, *arguments]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    calls, *imported = ended.stderr.rpartition("imported ")[2].split()
    return int(calls), set(imported)


def test_negatable_flag_leaves_the_decision_to_the_settings() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    context = group.make_context("livebg", ["run"], resilient_parsing=True)
    run = group.get_command(context, "run")
    assert run is not None
    defaults = {parameter.name: parameter.default for parameter in run.get_params(context)}
    assert (defaults["mirror"], defaults["_verbose"]) == (None, False)

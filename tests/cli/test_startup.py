"""The commands that hot keys and scripts run start quickly: they import nothing that only pictures and settings need."""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest
import typer
from typer.core import TyperGroup

from livebg.cli import app

SLOW = {"numpy", "cv2", "av", "onnxruntime", "PIL", "pydantic", "pydantic_settings", "importlib.metadata", "asyncio"}
PRINT_IMPORTS = """
import sys, atexit
atexit.register(lambda: sys.stderr.write("imported " + " ".join(sys.modules)))
sys.argv = ["livebg", *sys.argv[1:]]
from livebg.cli import main
main()
"""
BASELINE = "import typer, rich.console"
ROUNDS = 7


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No livebg is running for this environment."""
    return os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}


@pytest.mark.parametrize("argument", ["--version", "--help", "status", "stop", "toggle"])
def test_command_imports_nothing_slow(argument: str, environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", PRINT_IMPORTS, argument]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    imported = set(ended.stderr.rpartition("imported ")[2].split())
    assert "livebg.cli" in imported
    assert not imported & SLOW


@pytest.mark.parametrize(
    ("argument", "limit"), [("--version", 2.5), ("--help", 3.0), ("status", 2.5), ("stop", 2.5), ("toggle", 2.5)]
)
def test_start_costs_little_more_than_imports_of_typer_and_rich(argument: str, limit: float, environment: dict[str, str]) -> None:
    costs: dict[str, list[float]] = {"baseline": [], "livebg": []}
    for _ in range(ROUNDS):
        costs["baseline"].append(cpu_seconds([sys.executable, "-c", BASELINE], environment))
        costs["livebg"].append(cpu_seconds([sys.executable, "-m", "livebg", argument], environment))
    assert median(costs["livebg"]) < limit * median(costs["baseline"])


def cpu_seconds(command: list[str], environment: dict[str, str]) -> float:
    before = os.times()
    subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_negatable_flag_leaves_the_decision_to_the_settings() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    context = group.make_context("livebg", ["run"], resilient_parsing=True)
    run = group.get_command(context, "run")
    assert run is not None
    defaults = {parameter.name: parameter.default for parameter in run.get_params(context)}
    assert (defaults["mirror"], defaults["_verbose"]) == (None, False)

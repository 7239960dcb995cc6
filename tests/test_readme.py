"""What the README promises is what the code does."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from livebg import errors
from livebg.cli import app
from livebg.models import REGISTRY
from livebg.rendering.jobs import MODES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CODE = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.split("#")[0] if "'#" not in line else line
    for block in CODE
    for line in block.splitlines()
    if line.startswith("livebg ")
]


def options(*words: str) -> set[str]:
    """The options of ``livebg render``, ``livebg models eval`` and the like, long and short; what follows may be arguments."""
    found = get_command(app)
    for word in words:
        commands = getattr(found, "commands", {})
        if word not in commands:
            break
        found = commands[word]
    return {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("line", COMMANDS)
def test_every_option_of_an_example_exists(line: str) -> None:
    words = line.split()
    assert set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", line)) <= options(*words[1:])


def test_every_option_that_the_text_names_exists() -> None:
    text = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    named = set(re.findall(r"`(--[a-z-]+)", text)) - {"--help", "--install-completion"}
    assert named
    commands = (("render",), ("run",), ("status",), ("setup",), ("doctor",), ("preview",), ("snapshot",), ("bench", "live"))
    known = [options(*words) for words in commands]
    assert named <= set.union(*known)


def test_every_mode_that_is_used_exists() -> None:
    assert set(re.findall(r"--mode (\w+)", README)) <= set(MODES)


def test_the_exit_codes_are_those_of_the_errors() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.LivebgError)]
    assert told == {0} | {kind.exit_code for kind in kinds}


def test_every_dependencys_licence_is_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    licences = README.split("## Licences")[1].lower().replace("pyav", "av")
    for requirement in project["dependencies"]:
        name = re.split(r"[><=\[]", requirement)[0]
        assert name in licences, name


def test_every_model_is_named() -> None:
    assert all(f"`{name}`" in README for name in REGISTRY)


def test_the_pictures_are_there() -> None:
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / picture).is_file()

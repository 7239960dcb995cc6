"""What the README and the help topics promise is what the code does."""

import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from typer.main import get_command

from livebg import errors
from livebg.cli import app
from livebg.config.settings import sections, setting_keys
from livebg.daemon.status import Status
from livebg.doctor.context import Result, ok
from livebg.lab.__main__ import app as lab_app
from livebg.models import REGISTRY
from livebg.rendering.jobs import MODES
from tests.bare.readme import PAGES, all_livebg_lines, code_lines
from tests.support.cli_runner import LivebgCli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = all_livebg_lines()
LAB = "python -m livebg.lab "
LAB_COMMANDS = [line for page in PAGES for line in code_lines(page) if line.startswith(LAB)]
CODES = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.LivebgError)}


def command(*words: str) -> Any:
    """``livebg render``, ``livebg models list`` and the like; what follows the command may be arguments."""
    found: Any = get_command(app)
    for word in words:
        commands = getattr(found, "commands", {})
        if word not in commands:
            break
        found = commands[word]
    return found


def options(*words: str) -> set[str]:
    """The options of a command, long and short."""
    return {option for parameter in command(*words).params for option in (*parameter.opts, *parameter.secondary_opts)}


def all_options() -> set[str]:
    """The options of all commands."""
    names = [
        (name, *rest)
        for name, each in command().commands.items()
        for rest in [(), *((sub,) for sub in getattr(each, "commands", ()))]
    ]
    return set.union(options(), *(options(*words) for words in names))


def test_pages_contain_commands() -> None:
    assert len(COMMANDS) >= 50
    assert len([line for line in code_lines("README") if line.startswith("livebg ")]) >= 8


@pytest.mark.parametrize("line", COMMANDS)
def test_example_commands_and_options_exist(line: str) -> None:
    words = line.split()
    assert words[1] in command().commands
    assert set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", line)) <= options(*words[1:])


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_in_text_exist(page: str) -> None:
    text = re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)
    named = set(re.findall(r"`(--[a-z-]+)", text)) | set(re.findall(r"`livebg [^`]*?(--[a-z-]+)", text))
    assert named - {"--help", "--install-completion"} <= all_options()
    assert set(re.findall(r"`livebg ([a-z]+)", text)) <= command().commands.keys()


def test_modes_in_text_exist() -> None:
    assert all(set(re.findall(r"--mode (\w+)", page)) <= set(MODES) for page in PAGES.values())


@pytest.mark.parametrize("page", PAGES)
def test_referenced_topics_exist(page: str) -> None:
    assert set(re.findall(r"livebg help ([a-z-]+)", PAGES[page])) <= PAGES.keys()


def test_exit_codes_topic_lists_all_error_codes() -> None:
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", PAGES["exit-codes"], re.MULTILINE)} == {0} | CODES


@pytest.mark.parametrize("page", PAGES)
def test_exit_codes_in_text_exist(page: str) -> None:
    assert {int(code) for code in re.findall(r"exit\s+code\s+(?:is\s+)?(\d+)", PAGES[page], re.IGNORECASE)} <= {0} | CODES


def test_redistribution_topic_names_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    licenses = PAGES["redistribution"].lower().replace("pyav", "av")
    for requirement in project["dependencies"]:
        name = re.split(r"[><=\[]", requirement)[0]
        assert name in licenses, name


def test_quality_topic_and_readme_name_every_model() -> None:
    assert all(f"`{name}`" in PAGES["quality"] and f"`{name}`" in README for name in REGISTRY)


def status_fields(kind: Any) -> set[str]:
    """The fields of a dataclass and of those within it."""
    hints = get_type_hints(kind)
    inner = [part for hint in hints.values() for part in (hint, *get_args(hint)) if is_dataclass(part)]
    return {field.name for field in fields(kind)}.union(*map(status_fields, inner))


def json_names(command: str) -> set[str]:
    """The names in the section of the JSON topic about a command."""
    section = PAGES["json"].split(f"## livebg {command} --json")[1].split("\n## ")[0]
    return set(re.findall(r"`(\w+)`", section))


def keys(value: Any) -> set[str]:
    """The keys of all objects in a JSON value."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    return set(value).union(*map(keys, value.values())) if isinstance(value, dict) else set()


def test_json_topic_names_every_status_field() -> None:
    assert status_fields(Status) <= json_names("status")


def test_json_topic_names_every_check_field() -> None:
    assert Result("service", "unit", ok("fine")).as_dict().keys() <= json_names("doctor")


def test_json_topic_names_every_render_event_and_field(cli: LivebgCli, clip: Path) -> None:
    (cli.folder / "damaged.mp4").write_bytes(b"not a video")
    facts = cli.render(str(clip), "damaged.mp4", "-o", ".", "--json").json_lines
    events = {fact.pop("event") for fact in facts}
    assert events >= {"started", "progress", "done", "error", "summary"}
    assert events | keys(facts) <= json_names("render")


def test_json_topic_names_every_model_field(cli: LivebgCli) -> None:
    assert keys(cli.livebg("models", "list", "--json").json_lines) <= json_names("models list")


@pytest.mark.parametrize("page", PAGES)
def test_settings_in_text_exist(page: str) -> None:
    named = re.findall(rf"(?<![\w.])((?:{'|'.join(sections())})\.[a-z_]+)\b", PAGES[page])
    assert set(named) <= set(setting_keys())


def test_readme_is_one_page() -> None:
    assert len(README.splitlines()) <= 150


def test_linked_files_exist() -> None:
    links = [
        (path, link)
        for path in (ROOT / "README.md", *(ROOT / ".github").rglob("*.md"))
        for link in re.findall(r"\]\(([^)#]+)\)", path.read_text("utf-8"))
    ]
    local = [(path.parent / link) for path, link in links if "://" not in link]
    assert len(local) >= 6
    assert [str(path) for path in local if not path.exists()] == []


def test_pages_contain_lab_commands() -> None:
    assert len(LAB_COMMANDS) >= 5


@pytest.mark.parametrize("line", LAB_COMMANDS)
def test_lab_example_commands_and_options_exist(line: str) -> None:
    lab: Any = get_command(lab_app)
    found = lab.commands[line.removeprefix(LAB).split()[0]]
    known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", line.removeprefix(LAB))) <= known

"""``livebg help``, the panels of ``livebg --help``, and the completion of values."""

import json
import re

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from livebg.cli import app
from livebg.cli.help import read_topic, topics
from livebg.config.choices import BUILTIN_BACKGROUNDS, LIVE_MODES
from livebg.config.settings import sections, setting_keys
from livebg.daemon.settings_layers import settable_keys
from livebg.models import REGISTRY
from tests.bare.readme import PAGES
from tests.support.cli_runner import LivebgCli

PANELS = ("Calls", "Files", "Setup and troubleshooting", "Networks")
TOPICS = PAGES.keys() - {"livebg", "README", "CONTRIBUTING"}
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


def test_help_lists_every_topic_with_its_summary(cli: LivebgCli) -> None:
    lines = cli.livebg("help").out.splitlines()
    assert topics().keys() == TOPICS
    for name, summary in topics().items():
        assert f"- `livebg help {name}`: {summary}" in lines
        assert summary.endswith(".")
        assert len(summary) < 100


@pytest.mark.parametrize("name", sorted(TOPICS - {"config"}))
def test_topic_is_plain_markdown_in_pipe(cli: LivebgCli, name: str) -> None:
    assert cli.livebg("help", name).out == PAGES[name]


def test_topic_is_formatted_on_a_terminal(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    shown = cli.livebg("help", "exit-codes").out
    assert "\x1b[" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "|---" not in plain
    assert "the model is missing, damaged or incompatible" in " ".join(plain.split())
    assert max(map(len, plain.splitlines())) <= 80


def test_topic_list_has_one_line_per_topic_on_a_terminal(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", cli.livebg("help").out)
    lines = [line.split() for line in plain.splitlines() if line.strip()]
    assert [words[3] for words in lines[1:-1]] == [f"{name}:" for name in sorted(TOPICS)]


@pytest.mark.parametrize("name", sorted(TOPICS))
def test_code_in_topic_fits_80_columns(name: str) -> None:
    code = re.findall(r"```\w*\n(.*?)```", PAGES[name], re.DOTALL)
    assert [line for block in code for line in block.splitlines() if len(line) > 78] == []


def test_unknown_topic_lists_topics_and_exits_with_2(cli: LivebgCli) -> None:
    done = cli.livebg("help", "nothing")
    assert done.code == 2
    assert all(name in done.error_line for name in TOPICS)


def test_config_topic_describes_every_setting() -> None:
    text = read_topic("config")
    assert text.startswith(PAGES["config"])
    assert re.findall(r"^- `([a-z_.]+)` \(", text, re.MULTILINE) == list(setting_keys())
    for section, model in sections().items():
        for key, field in model.model_fields.items():
            (line,) = re.findall(rf"^- `{section}\.{key}` (.*)$", text, re.MULTILINE)
            assert line.endswith(f"default `{json.dumps(field.default)}`): {field.description}")


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("effect.lens", "one of `gaussian`, `disc`"),
        ("effect.blur", "number, 0 to 1"),
        ("model.threads", "integer, 1 to 64"),
        ("render.jobs", "`auto` or integer, 1 to 64"),
        ("model.folders", "list of folders"),
        ("camera.rotate", "one of `0`, `90`, `180`, `270`"),
        ("camera.mirror", "true or false"),
        ("output.label", "text"),
    ],
)
def test_config_topic_states_type(key: str, kind: str) -> None:
    assert f"- `{key}` ({kind}; default " in read_topic("config")


def test_every_command_is_on_one_line_in_a_panel(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = cli.livebg("--help").out
    assert re.findall(r"^╭─ (.*?) ─", shown, re.MULTILINE) == ["Options", *PANELS]
    commands = shown.partition("─ Calls ─")[2].splitlines()
    lines = [line.strip("│ ") for line in commands if line.startswith("│")]
    assert sorted(line.split()[0] for line in lines) == sorted(COMMANDS)
    assert all(re.fullmatch(r"\S+ +\S.*\.", line) for line in lines)


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        (("help",), "[TOPIC]"),
        (("background",), "[FILE|#rrggbb|NAME]"),
        (("set",), "{KEY=VALUE}..."),
        (("camera", "set"), "{KEY=VALUE}..."),
    ],
)
def test_usage_marks_arguments_once(cli: LivebgCli, command: tuple[str, ...], usage: str) -> None:
    assert f"Usage: livebg {' '.join(command)} [OPTIONS] {usage}" in cli.livebg(*command, "--help").out.replace("\n", " ")


def test_overview_groups_commands_by_panel() -> None:
    """livebg(1) groups the commands as ``livebg --help`` does."""
    blocks = dict(block.split("\n", 1) for block in PAGES["livebg"].split("\n## ")[1:])
    for panel in PANELS:
        listed = re.findall(r"^- `livebg (\w+)", blocks[panel], re.MULTILINE)
        assert sorted(listed) == sorted(name for name, each in COMMANDS.items() if each.rich_help_panel == panel)


def completions(line: str) -> set[str]:
    """What bash is offered for the last word of a command line."""
    words = line.split(" ")
    variables = {"_LIVEBG_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = CliRunner().invoke(app, [], prog_name="livebg", env=variables)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("livebg mode ", set(LIVE_MODES)),
        ("livebg mode gr", {"greenscreen"}),
        ("livebg run --mode ", {*LIVE_MODES, "none"}),
        ("livebg background ", set(BUILTIN_BACKGROUNDS)),
        ("livebg render --background du", {"dusk"}),
        ("livebg run --model u2netp", {"u2netp"}),
        ("livebg models pull ", set(REGISTRY)),
        ("livebg set effect.bl", {"effect.blur="}),
        ("livebg set ", {f"{key}=" for key in settable_keys()}),
        ("livebg help ", TOPICS),
        ("livebg help pri", {"privacy"}),
    ],
)
def test_shell_completion_offers_values(line: str, expected: set[str]) -> None:
    assert completions(line) == expected

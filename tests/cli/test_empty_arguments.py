"""Empty arguments, such as an unset variable in a script: every command refuses them, since they mean the current directory."""

import pytest
import typer

from livebg.cli import app, bench, models
from tests.support.cli_runner import LivebgCli
from tests.support.photos import save_photo

COMMANDS = [
    *((command,) for command in app.registered_commands),
    *(("models", command) for command in models.app.registered_commands),
    *(("bench", command) for command in bench.app.registered_commands),
]


def words_of(command: tuple[str | typer.models.CommandInfo, ...]) -> list[str]:
    """The words that call a command."""
    return [
        word if isinstance(word, str) else word.name or getattr(word.callback, "__name__", "").rstrip("_").replace("_", "-")
        for word in command
    ]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(words_of(command)))
def test_every_command_refuses_an_empty_argument(command: tuple[str | typer.models.CommandInfo, ...], cli: LivebgCli) -> None:
    save_photo(cli.folder / "photo.png")
    before = cli.files()
    words = words_of(command)
    done = cli.livebg(*words, "")
    assert done.code == 2
    assert done.error_line == f"Argument 1 of livebg {' '.join(words)} is empty. Write a value or leave it out."
    assert cli.files() == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("render", ""), "Argument 1 of livebg render"),
        (("render", "photo.png", ""), "The argument after photo.png"),
        (("render", "photo.png", "-o", ""), "The argument after -o"),
        (("render", "photo.png", "--output="), "The value of --output"),
        (("render", "photo.png", "--background", ""), "The argument after --background"),
        (("render", "--", ""), "The argument after --"),
        (("snapshot", ""), "Argument 1 of livebg snapshot"),
        (("demo", "--output="), "The value of --output"),
        (("score", "photo.png", "--truth", ""), "The argument after --truth"),
        (("run", "--camera", ""), "The argument after --camera"),
        (("devices", "--config", ""), "The argument after --config"),
    ],
)
def test_an_empty_argument_is_refused_in_every_place(arguments: tuple[str, ...], named: str, cli: LivebgCli) -> None:
    save_photo(cli.folder / "photo.png")
    before = cli.files()
    done = cli.livebg(*arguments)
    assert (done.code, done.error_line) == (2, f"{named} is empty. Write a value or leave it out.")
    assert cli.files() == before


def test_an_empty_variable_is_refused(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    save_photo(cli.folder / "photo.png")
    before = cli.files()
    for name in ("LIVEBG_CONFIG", "LIVEBG_EFFECT__BACKGROUND", "LIVEBG_MODEL__FOLDERS", "LIVEBG_MODEL__NAME"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "")
            done = cli.livebg("render", "photo.png")
        assert done.code == 2
        assert name in done.error_line
        assert cli.files() == before


def test_the_current_directory_can_be_named(cli: LivebgCli) -> None:
    save_photo(cli.folder / "photo.png")
    assert cli.render(".").code == 0
    assert "photo.portrait.png" in cli.files()

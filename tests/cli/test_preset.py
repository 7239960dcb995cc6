"""``livebg preset``, with and without a running livebg."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from livebg.config.settings import Settings
from livebg.daemon.presets import BUILTIN_PRESETS, Presets
from tests.support.cli_runner import LivebgCli
from tests.support.controller_harness import CONSENT, ControllerHarness
from tests.support.fake_daemon import FakeDaemon

NOT_RUNNING = "livebg is not running. Start it with `livebg run`."

pytestmark = pytest.mark.usefixtures("cli", "runtime")


def own_presets(cli: LivebgCli) -> Presets:
    """The user's presets, which do not know of a running livebg."""
    return Presets(cli.folder.parent / "config" / "livebg" / "presets")


def names(cli: LivebgCli) -> Mapping[str, dict[str, Any]]:
    return {line["name"]: line for line in cli.livebg("preset", "list", "--json").json_lines}


def test_list_and_delete_need_no_running_livebg(cli: LivebgCli) -> None:
    own_presets(cli).save("Desk 2", Settings())
    assert cli.livebg("preset", "list").out.splitlines() == [*(f"{name} (built in)" for name in BUILTIN_PRESETS), "Desk 2"]
    assert names(cli)["Desk 2"] == {"name": "Desk 2", "builtin": False, "error": None, "current": False}
    assert cli.livebg("preset", "delete", "Desk 2").out == "Deleted the preset Desk 2.\n"
    assert names(cli).keys() == BUILTIN_PRESETS.keys()
    assert cli.livebg("preset", "delete", "office").error_line.startswith("The preset office is built in")
    assert cli.livebg("preset", "delete", "../config").code == 2


@pytest.mark.parametrize("arguments", [("use", "office"), ("save", "Desk"), ("next",)])
def test_other_commands_need_running_livebg(cli: LivebgCli, arguments: tuple[str, ...]) -> None:
    result = cli.livebg("preset", *arguments)
    assert (result.code, result.error_line) == (6, NOT_RUNNING)
    assert not (cli.folder.parent / "config").exists()


def test_commands_use_presets_of_running_livebg(cli: LivebgCli, tmp_path: Path) -> None:
    (tmp_path / "daemon").mkdir()
    harness = ControllerHarness(tmp_path / "daemon")
    with FakeDaemon(more=harness.commands):
        assert cli.livebg("preset", "use", "presentation").out == (
            "Changed effect.blur, effect.dim, effect.desaturate, effect.framing. "
            "Mode portrait, blur width 0.1 of the frame height.\n"
        )
        assert cli.livebg("preset", "save", "Desk").out == "Saved the preset Desk.\n"
        harness.controller.off(CONSENT)
        assert cli.livebg("preset", "next").out.startswith("Changed effect.blur, effect.dim,")
        assert harness.presets.folder is not None
        (harness.presets.folder / "bad.toml").write_text("[output]\nlabel = 'x'\n")
        lines = cli.livebg("preset", "list").out.splitlines()
        assert lines[0] == "office (built in, current)"
        assert lines[3].startswith("bad (The preset ")
        assert lines[4] == "Desk"
        assert cli.livebg("preset", "use", "bad").error_line.startswith(
            f"The preset {harness.presets.folder / 'bad.toml'} is inv"
        )
        assert cli.livebg("preset", "delete", "Desk").code == 0
        assert cli.livebg("preset", "delete", "Desk").error_line.endswith(
            "does not exist. `livebg preset list` lists the presets."
        )
        assert cli.livebg("pause", "--toggle").out.startswith("Paused")
        assert cli.livebg("pause", "--toggle").out.startswith("Mode portrait")
    assert list(own_presets(cli).overview().presets) == list(Presets(tmp_path / "none").overview().presets)
    assert harness.session.calls == ["hidden", "room at once", "hidden at once", "pause", "resume"]


def test_list_of_other_release_is_an_error(cli: LivebgCli) -> None:
    with FakeDaemon(more={"presets": lambda _arguments: {"presets": [7]}}):
        assert cli.livebg("preset", "list").error_line == "Incompatible livebg is running. Restart it."

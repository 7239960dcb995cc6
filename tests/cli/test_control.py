"""The control commands, run against a livebg in a separate process."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livebg.config.choices import BUILTIN_BACKGROUNDS
from livebg.daemon.client import request
from tests.support.cli_runner import CommandResult, LivebgCli
from tests.support.fake_daemon import temporary_runtime_dir
from tests.support.media import Clip
from tests.support.photos import save_photo
from tests.support.waiting import wait_until

if sys.platform == "linux":
    from tests.support.shortcut_portal import Desktop, ShortcutPortal
    from tests.support.tray_desktop import session_bus

PATIENCE = 60.0
RUN = ("run", "--camera", "clip.mp4", "--output", "null", "--model", "toy.onnx")
NOT_RUNNING = "livebg is not running. Start it with `livebg run`."
BLURRED = "Mode portrait, blur width 0.025 of the frame height."
EFFECT_OFF = "Effect off, your room is visible. Run `livebg on` to hide it."


class RunningDaemon:
    """A ``livebg run`` process, and the commands sent to it."""

    def __init__(self, cli: LivebgCli, *options: str) -> None:
        self.cli = cli
        self.process = self.start(*options)

    def start(self, *options: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "livebg", *RUN, *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.until("live")
        return self.process

    def until(self, state: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while True:
            result = self.cli.livebg("status", "--json")
            if result.code == 0 and result.json_lines[0]["state"] == state:
                return result.json_lines[0]
            assert time.monotonic() < deadline, result
            time.sleep(0.05)

    def mode(self) -> str:
        return str(self.cli.livebg("status", "--json").json_lines[0]["mode"])

    def send(self, *arguments: str) -> str:
        """Run a command and return its output."""
        result = self.cli.livebg(*arguments)
        assert (result.code, result.err) == (0, "")
        return result.out.removesuffix("\n")

    def stop(self) -> str:
        """Stop the process and return everything it wrote to standard error."""
        if self.process.poll() is None:
            self.cli.livebg("stop")
        return self.process.communicate(timeout=PATIENCE)[1]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LivebgCli]:
    cli = LivebgCli(tmp_path, monkeypatch)
    monkeypatch.setenv("COLUMNS", "200")
    Clip(count=50).write(cli.folder / "clip.mp4")
    with temporary_runtime_dir(monkeypatch):
        yield cli


@pytest.fixture
def daemon(cli: LivebgCli) -> Iterator[RunningDaemon]:
    daemon = RunningDaemon(cli)
    yield daemon
    daemon.process.kill()
    daemon.process.communicate()


def test_commands_take_effect(daemon: RunningDaemon) -> None:
    assert daemon.send("off") == EFFECT_OFF
    assert daemon.mode() == "none"
    assert daemon.send("on") == BLURRED
    assert daemon.mode() == "portrait"
    assert daemon.send("toggle") == EFFECT_OFF
    assert daemon.send("toggle") == BLURRED
    assert daemon.send("pause") == "Paused, camera released. Run `livebg resume` to continue."
    assert daemon.until("paused")["camera"]["name"] is None
    assert daemon.send("resume") == BLURRED
    assert daemon.until("live")["camera"]["name"] == "clip.mp4 in a loop"
    assert daemon.send("mode", "greenscreen") == "Mode greenscreen, color #00ff00."
    assert daemon.mode() == "greenscreen"
    assert daemon.send("mode", "matte") == "Mode matte."
    save_photo(daemon.cli.folder / "photo.png")
    assert daemon.send("background", "photo.png") == f"Mode background, {daemon.cli.folder / 'photo.png'}."
    assert daemon.send("background", "#ff0000") == "Mode background, #ff0000."
    assert daemon.send("background", BUILTIN_BACKGROUNDS[0]) == f"Mode background, {BUILTIN_BACKGROUNDS[0]}."
    assert daemon.send("set", "effect.mode=portrait", "effect.blur=0.1") == (
        "Changed effect.mode, effect.blur. Mode portrait, blur width 0.1 of the frame height."
    )
    assert daemon.send("reload") == "Nothing changed. Mode portrait, blur width 0.1 of the frame height."
    assert daemon.until("live")["mode"] == "portrait"
    assert "Traceback" not in daemon.stop()


@pytest.mark.parametrize("command", ["mode", "background", "set"])
def test_rejected_command_reports_error_and_exit_code(daemon: RunningDaemon, command: str) -> None:
    livebg = daemon.cli.livebg
    if command == "mode":
        assert refused(livebg("mode", "none")).endswith("Use `livebg off` to turn the effect off.")
        assert refused(livebg("mode", "cutout")).startswith("Mode 'cutout' is only for files")
    if command == "background":
        assert str(daemon.cli.folder / "gone.png") in refused(livebg("background", "gone.png"))
        (daemon.cli.folder / "notes.txt").write_text("no picture")
        assert refused(livebg("background", "notes.txt")).startswith(
            f"The background {daemon.cli.folder / 'notes.txt'} is not a readable picture. "
        )
    if command == "set":
        assert refused(livebg("set", "effect.blurr=1")) == "Unknown key effect.blurr. Did you mean effect.blur?"
        assert refused(livebg("set", "output.size=64x48")).startswith("output.size cannot change while livebg runs, ")
        assert str(daemon.cli.folder / "gone.onnx") in refused(livebg("set", "model.name=./gone.onnx"), 5)
        assert "gone.mp4" in refused(livebg("set", "camera.device=./gone.mp4"), 3)
    assert daemon.until("live")["mode"] == "portrait"


def refused(result: CommandResult, code: int = 2) -> str:
    assert result.code == code, result
    return result.error_line


def test_choices_survive_restart_but_off_does_not(cli: LivebgCli) -> None:
    daemon = RunningDaemon(cli)
    daemon.send("background", "#ff0000")
    daemon.send("off")
    daemon.stop()
    choices = cli.folder.parent / "state" / "livebg" / "choices.json"
    assert json.loads(choices.read_text())["effect.mode"] == {"value": "background", "file": None}
    daemon.start()
    assert daemon.mode() == "background"
    save_photo(cli.folder / "photo.png")
    daemon.send("background", "photo.png")
    daemon.stop()
    (cli.folder / "photo.png").unlink()
    daemon.start()
    assert daemon.mode() == "background"
    assert daemon.send("on") == "Mode background, #204060."
    assert "Ignoring the saved effect.background: " in daemon.stop()
    choices.write_text('{"effect.mode": {"value": "none"}}')
    daemon.start()
    assert daemon.mode() == "portrait"
    daemon.stop()


@pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed")
def test_global_shortcuts_pause_and_change_presets(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    desktop = Desktop()
    with session_bus({}) as address, ShortcutPortal(address, desktop) as portal:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        daemon = RunningDaemon(cli)
        assert portal.calls == []  # nothing before the user asks for it
        assert len(request("set_up_shortcuts", timeout=PATIENCE)["shortcuts"]) == 2
        daemon.send("off")
        portal.press("pause_or_resume")
        daemon.until("paused")
        portal.press("pause_or_resume")
        assert daemon.until("live")["mode"] == "portrait"
        daemon.send("off")
        portal.press("next_preset")
        wait_until(lambda: "dark room (built in, current)" in daemon.send("preset", "list"))
        assert daemon.until("live")["mode"] == "portrait"
        assert "Traceback" not in daemon.stop()
        daemon.start()
        assert len(desktop.dialogs) == 1
        wait_until(lambda: len(request("shortcuts")["shortcuts"]) == 2)
        portal.press("pause_or_resume")
        daemon.until("paused")
        assert "Traceback" not in daemon.stop()
    assert len(desktop.dialogs) == 1


def test_configuration_is_reloaded_on_command_and_sighup(daemon: RunningDaemon) -> None:
    config = daemon.cli.folder.parent / "config" / "livebg" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[effect]\nblur = 0.2\n[output]\nsize = "128x96"\n')
    assert daemon.send("reload") == (
        "Changed effect.blur. Mode portrait, blur width 0.2 of the frame height. Restart livebg to apply output.size."
    )
    config.write_text('[effect]\nmode = "none"\n')
    assert "Mode 'none' shows your room" in refused(daemon.cli.livebg("reload"))
    assert daemon.mode() == "portrait"
    config.write_text('[effect]\nmode = "greenscreen"\n')
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.mode() == "greenscreen")
    config.write_text("[effect")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.send("set", "effect.blur=0.3")
    time.sleep(0.3)
    assert "Reloading the configuration failed; the settings are unchanged" in daemon.stop()


CLOSED = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "livebg", *sys.argv[1:]])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no terminals of this kind")
def test_daemon_ends_when_its_terminal_closes(cli: LivebgCli) -> None:
    master, slave = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", CLOSED, *RUN], stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    try:
        RunningDaemon.until(AttachedDaemon(cli), "live")
        process.send_signal(signal.SIGHUP)
        assert AttachedDaemon(cli).send("reload") == f"Nothing changed. {BLURRED}"  # keeps running while the terminal exists
        os.close(master)
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait(PATIENCE)


class AttachedDaemon(RunningDaemon):
    """A livebg process started elsewhere."""

    def __init__(self, cli: LivebgCli) -> None:
        self.cli = cli


@pytest.mark.parametrize(
    "arguments",
    [
        ("on",),
        ("off",),
        ("toggle",),
        ("pause",),
        ("resume",),
        ("reload",),
        ("mode", "matte"),
        ("background", "#ffffff"),
        ("set", "a=b"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_command_without_daemon_fails(cli: LivebgCli, arguments: tuple[str, ...]) -> None:
    result = cli.livebg(*arguments)
    assert (result.code, result.error_line) == (6, NOT_RUNNING)


def test_set_without_value_fails_without_daemon(cli: LivebgCli) -> None:
    result = cli.livebg("set", "effect.blur")
    assert refused(result) == "'effect.blur' has no value. Write KEY=VALUE, such as effect.blur=0.05."


def test_background_without_argument_lists_builtins(cli: LivebgCli) -> None:
    result = cli.livebg("background")
    assert (result.code, result.out.split()) == (0, list(BUILTIN_BACKGROUNDS))

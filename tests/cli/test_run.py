"""`livebg run` as a process: start, status, signals and kill."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.media import Clip
from tests.support.toy_network import ToyNetwork

PATIENCE = 60.0
Environment = dict[str, str]


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """A separate environment, isolated from the user's own livebg."""
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LIVEBG_")}
    homes = {f"XDG_{kind}_HOME": str(tmp_path / kind.lower()) for kind in ("CONFIG", "CACHE", "STATE")}
    return clean | {"XDG_RUNTIME_DIR": str(runtime)} | homes


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    clip = Clip(count=50).write(tmp_path / "clip.mp4")
    network = ToyNetwork().write(tmp_path / "toy.onnx")
    return ["run", "--camera", str(clip), "--output", "null", "--model", str(network)]


def livebg(*arguments: str, env: Environment) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "livebg", *arguments], capture_output=True, text=True, env=env, timeout=PATIENCE, check=False
    )


def started(arguments: list[str], env: Environment) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", "livebg", *arguments], stderr=subprocess.PIPE, text=True, env=env)


@pytest.fixture
def daemon(command: list[str], home: Environment) -> Iterator[subprocess.Popen[str]]:
    process = started(command, home)
    yield process
    process.kill()
    process.communicate()


def status(env: Environment) -> dict[str, Any] | None:
    asked = livebg("status", "--json", env=env)
    assert asked.returncode in (0, 6), asked.stderr
    reported: dict[str, Any] | None = json.loads(asked.stdout) if asked.returncode == 0 else None
    return reported


def await_state(state: str, env: Environment) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        reported = status(env)
        if reported is not None and reported["state"] == state:
            return reported
        assert time.monotonic() < deadline, f"never {state}: {reported}"
        time.sleep(0.1)


def test_status_is_reported_and_stop_ends_daemon(daemon: subprocess.Popen[str], home: Environment) -> None:
    reported = await_state("live", home)
    assert reported["mode"] == "portrait"
    assert reported["reason"] is None
    assert reported["camera"]["requested"].endswith("clip.mp4")
    assert reported["camera"]["size"] == [64, 48]
    assert reported["camera"]["name"] == "clip.mp4 in a loop"
    assert reported["camera"]["mode_description"] == "64x48 at 25 fps"
    assert reported["output"] == {"backend": "null", "device": None, "width": 64, "height": 48, "fps": 25.0}
    assert reported["counts"]["sent"] > 0
    assert reported["pid"] == daemon.pid
    assert {"camera", "network", "compositing", "output"} <= set(reported["cpu_ms"]["stages"])
    stopped = livebg("stop", env=home)
    assert (stopped.returncode, daemon.wait(PATIENCE)) == (0, 0)
    assert status(home) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_daemon_cleanly(daemon: subprocess.Popen[str], home: Environment, number: signal.Signals) -> None:
    await_state("live", home)
    daemon.send_signal(number)
    _, output = daemon.communicate(timeout=PATIENCE)
    assert daemon.returncode == 0
    assert "Traceback" not in output
    assert "livebg stopped." in output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_daemon_runs_with_log_on_full_disk(command: list[str], home: Environment) -> None:
    with Path("/dev/full").open("w") as log:
        daemon = subprocess.Popen([sys.executable, "-m", "livebg", *command], stderr=log, env=home)
    try:
        await_state("live", home)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE) == 0
    finally:
        daemon.kill()
        daemon.wait(PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_daemon_without_camera(command: list[str], home: Environment, number: signal.Signals) -> None:
    command[2] = "a camera that nobody has"
    daemon = started(command, home)
    try:
        reported = await_state("camera lost", home)
        assert "a camera that nobody has" in reported["reason"]
        assert reported["counts"]["placeholders"] > 0
        daemon.send_signal(number)
        assert daemon.wait(PATIENCE) == 0
    finally:
        daemon.kill()
        daemon.communicate()


def test_daemon_starts_again_after_sigkill(daemon: subprocess.Popen[str], command: list[str], home: Environment) -> None:
    await_state("live", home)
    daemon.kill()
    daemon.wait(PATIENCE)
    assert status(home) is None
    again = started(command, home)
    try:
        assert await_state("live", home)["pid"] == again.pid
    finally:
        again.kill()
        again.communicate()


def test_pause_survives_sigkill_but_not_stop(daemon: subprocess.Popen[str], command: list[str], home: Environment) -> None:
    await_state("live", home)
    assert livebg("pause", env=home).returncode == 0
    daemon.kill()
    daemon.wait(PATIENCE)
    again = started(command, home)
    try:
        assert await_state("paused", home)["pid"] == again.pid
        assert livebg("stop", env=home).returncode == 0
    finally:
        again.kill()
        again.communicate()
    third = started(command, home)
    try:
        await_state("live", home)
    finally:
        third.kill()
        third.communicate()


def test_second_daemon_is_rejected(daemon: subprocess.Popen[str], command: list[str], home: Environment) -> None:
    await_state("live", home)
    second = livebg(*command, env=home)
    assert second.returncode == 2
    assert str(daemon.pid) in second.stderr
    assert "livebg stop" in second.stderr
    assert await_state("live", home)["pid"] == daemon.pid


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        (["--camera", "missing.mp4"], 3, "missing.mp4"),
        (["--model", "missing.onnx"], 5, "missing.onnx"),
        (["--background", "missing.png"], 2, "missing.png"),
        (["--mode", "portrait", "--background", "#ffffff"], 2, "--mode background"),
        (["--output", "window"], 2, "output.backend"),
        (["--size", "auto"], 2, "'auto' is not allowed here"),
        (["--output-size", "641x480"], 2, "even"),
        (["--rotate", "45"], 2, "0, 90, 180 or 270"),
    ],
)
def test_invalid_option_fails_with_clear_message(
    command: list[str], home: Environment, change: list[str], code: int, sentence: str
) -> None:
    refused = livebg(*command, *change, env=home)
    assert refused.returncode == code, refused.stderr
    assert sentence in refused.stderr.replace("\n", " ")
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="v4l2loopback is a part of Linux")
def test_missing_loopback_device_error_explains_setup(command: list[str], home: Environment) -> None:
    command[4] = "v4l2loopback"
    refused = livebg(*command, env=home | {"LIVEBG_OUTPUT__LABEL": "no such label"})
    assert refused.returncode == 4
    assert "modprobe v4l2loopback" in refused.stderr.replace("\n", " ")
    assert "Traceback" not in refused.stderr


def test_room_is_shown_only_with_command_line_option(command: list[str], home: Environment) -> None:
    refused = livebg(*command, env=home | {"LIVEBG_EFFECT__MODE": "none"})
    assert refused.returncode == 2
    daemon = started([*command, "--mode", "none"], home)
    try:
        reported = await_state("live", home)
        assert (reported["mode"], reported["model"]) == ("none", None)
    finally:
        daemon.kill()
        daemon.communicate()


def test_room_that_was_hidden_stays_hidden_after_sigkill_but_not_after_stop(command: list[str], home: Environment) -> None:
    modes = []
    for ending in (("on",), ("off",), ("on", "stop"), ()):
        daemon = started([*command, "--mode", "none"], home)
        try:
            modes.append(await_state("live", home)["mode"])
            for each in ending:
                assert livebg(each, env=home).returncode == 0
        finally:
            daemon.kill()
            _, output = daemon.communicate()
        assert ("`livebg off` to show the room" in output) is (modes[-1] != "none")
    assert modes == ["none", "portrait", "none", "none"]

"""End-to-end tests of `livebg preview` with a real daemon on an X server, checked in screenshots."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from livebg.preview.client import PreviewClient
from tests.cli.test_run import Environment, livebg, started
from tests.support.media import Clip
from tests.support.toy_network import ToyNetwork
from tests.support.tray_desktop import x_server
from tests.support.waiting import wait_until

PATIENCE = 60.0
GREEN, ROOM = (0, 255, 0), (0, 0, 0)

missing = [tool for tool in ("Xvfb", "import", "xdotool") if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.desktop,
    pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} is not installed"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="requires an X server on Linux"),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    places = {"XDG_RUNTIME_DIR": str(runtime), "XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    for name, place in places.items():
        monkeypatch.setenv(name, place)
    with x_server("1400x900x24") as display:
        yield {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "DISPLAY": display} | places


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Command line of a daemon with the toy network, whose person is the bright area, on a green screen."""
    clip = Clip(count=50).write(tmp_path / "clip.mp4")
    network = ToyNetwork().write(tmp_path / "toy.onnx")
    return ["run", "--camera", str(clip), "--output", "null", "--model", str(network), "--mode", "greenscreen"]


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    begun: list[subprocess.Popen[str]] = []
    yield begun
    for process in begun:
        process.kill()
        process.communicate()


def screen(env: Environment, path: Path) -> NDArray[np.uint8]:
    """Return a screenshot as RGB."""
    subprocess.run(["import", "-silent", "-window", "root", str(path)], env=env, check=True, timeout=PATIENCE)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def greens(picture: NDArray[np.uint8]) -> int:
    """Return the number of green-screen pixels."""
    return int((np.abs(picture.astype(int) - GREEN).max(axis=2) < 40).sum())


def previews(env: Environment) -> int:
    """Return the number of previews that the daemon reports."""
    return int(json.loads(livebg("status", "--json", env=env).stdout)["previews"])


def windows(env: Environment) -> list[str]:
    found = ["xdotool", "search", "--onlyvisible", "--name", "^livebg preview$"]
    return subprocess.run(found, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False).stdout.split()


def is_live() -> bool:
    with PreviewClient() as channel:
        seen = channel.next_frame(["composite"])
        return bool(seen.pictures) and not seen.placeholder


def answers() -> bool:
    """Whether the preview socket responds with a live picture."""
    from livebg.errors import LivebgError

    try:
        return is_live()
    except LivebgError:
        return False


def test_preview_shows_green_screen_and_survives_daemon_kill(
    tmp_path: Path, home: Environment, command: list[str], processes: list[subprocess.Popen[str]]
) -> None:
    processes.append(started(command, home))
    wait_until(answers, "the daemon")
    preview = started(["preview"], home)
    processes.append(preview)
    shot = tmp_path / "screen.png"
    wait_until(lambda: preview.poll() is not None or greens(screen(home, shot)) > 50_000, "green on the screen")
    assert preview.poll() is None
    bright = (screen(home, shot).min(axis=2) > 150).sum()
    assert bright > 10_000, "the person"

    processes[0].kill()
    processes[0].wait(PATIENCE)
    wait_until(lambda: greens(screen(home, shot)) == 0, "no old picture")
    assert (screen(home, shot) > 200).sum() > 100, "a sentence in its place"
    assert preview.poll() is None

    processes.append(started(command, home))
    wait_until(lambda: greens(screen(home, shot)) > 50_000, "green on the screen again")

    (window,) = windows(home)
    subprocess.run(["xdotool", "windowsize", window, "500", "700"], env=home, check=True, timeout=PATIENCE)
    wait_until(lambda: greens(screen(home, shot)[:, :500]) > 0 and greens(screen(home, shot)[:, 500:]) == 0, "the smaller window")
    tall = np.abs(screen(home, shot)[:700, :500].astype(int) - GREEN).max(axis=2) < 40
    assert tall.any(axis=1).sum() < 400, "4:3 stays 4:3"

    press = ["xdotool", "windowfocus", "--sync", window, "key", "q"]
    subprocess.run(press, env=home, check=True, timeout=PATIENCE)
    assert preview.wait(PATIENCE) == 0


def test_ctrl_c_ends_preview(home: Environment, command: list[str], processes: list[subprocess.Popen[str]]) -> None:
    processes.append(started(command, home))
    wait_until(answers, "the daemon")
    preview = started(["preview", "--alpha"], home)
    processes.append(preview)
    wait_until(lambda: windows(home), "the window")
    preview.send_signal(signal.SIGINT)
    _, output = preview.communicate(timeout=PATIENCE)
    assert (preview.returncode, output) == (0, "")


def test_preview_without_daemon_fails(home: Environment) -> None:
    output = livebg("preview", env=home)
    assert (output.returncode, output.stdout) == (6, "")
    assert output.stderr.split() == ["livebg:", "livebg", "is", "not", "running.", "Start", "it", "with", "`livebg", "run`."]


def test_missing_display_fails(home: Environment) -> None:
    output = livebg("preview", env=home | {"DISPLAY": ":987"})
    assert output.returncode == 8
    assert "Cannot connect to the display :987" in " ".join(output.stderr.split())


def test_killed_preview_is_no_longer_counted(
    home: Environment, command: list[str], processes: list[subprocess.Popen[str]]
) -> None:
    processes.append(started(command, home))
    wait_until(answers, "the daemon")
    preview = started(["preview"], home)
    processes.append(preview)
    wait_until(lambda: windows(home), "the window")
    assert previews(home) == 1
    preview.kill()
    preview.wait(PATIENCE)
    wait_until(lambda: previews(home) == 0, "its end")

"""A separate desktop: a session bus, PipeWire and WirePlumber, and programs that read a camera there."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.waiting import wait_until

PATIENCE = 30.0
"""Seconds after which a program counts as hung."""
TOOLS = ("dbus-daemon", "pipewire", "wireplumber", "pw-dump", "gst-launch-1.0", "gst-inspect-1.0")


def missing_tools(tools: tuple[str, ...] = TOOLS) -> str | None:
    """Why such a desktop cannot run here; None if it can."""
    if sys.platform != "linux":
        return "PipeWire is a part of Linux"
    absent = [tool for tool in tools if shutil.which(tool) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    known = subprocess.run(["gst-inspect-1.0", "pipewiresrc"], capture_output=True, check=False, timeout=PATIENCE)
    return "gstreamer1.0-pipewire is not installed" if known.returncode else None


class Desktop:
    """Its programs, and the environment for programs that join it. ``start`` may be called again after ``stop``."""

    def __init__(self, folder: Path, *, screen: bool = False) -> None:
        """``screen``: with a display, without which desktops have no portal."""
        self.folder = folder
        runtime = folder / "run"
        runtime.mkdir(mode=0o700)
        self.runtime = runtime
        self.environment = {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(runtime),
            "PIPEWIRE_RUNTIME_DIR": str(runtime),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_DATA_HOME": str(folder / "data"),
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime}/bus",
        }
        self._screen: subprocess.Popen[bytes] | None = None
        if screen:
            self._screen, self.environment["DISPLAY"] = _display()
            self.environment |= {"XDG_CURRENT_DESKTOP": "GNOME", "GDK_BACKEND": "x11"}
        self._bus = self.run("dbus-daemon", "--session", "--nofork", f"--address=unix:path={runtime}/bus")
        self.programs: list[subprocess.Popen[bytes]] = []
        wait_until((runtime / "bus").exists, "the session bus is there")
        self.start()

    def start(self) -> None:
        """PipeWire and WirePlumber."""
        self.programs.append(self.run("pipewire"))
        wait_until((self.runtime / "pipewire-0").exists, "PipeWire listens")
        self.programs.append(self.run("wireplumber"))
        wait_until(lambda: "WirePlumber" in str(self.dump()), "WirePlumber is there")

    def stop(self) -> None:
        """WirePlumber ends with PipeWire."""
        for program in reversed(self.programs):
            _end(program)
        self.programs.clear()
        for socket in self.runtime.glob("pipewire-0*"):
            socket.unlink()

    def run(self, *command: str, variables: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a program; its output is in ``NAME.log``."""
        with (self.folder / f"{Path(command[0]).name}.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **self.environment, **(variables or {})})

    def dump(self) -> list[dict[str, Any]]:
        """PipeWire's objects."""
        env = {**os.environ, **self.environment}
        reported = subprocess.run(["pw-dump"], capture_output=True, text=True, env=env, timeout=PATIENCE, check=False)
        objects: list[dict[str, Any]] = (
            json.loads(reported.stdout) if reported.returncode == 0 and reported.stdout.strip() else []
        )
        return objects

    def node(self, name: str) -> dict[str, Any] | None:
        """The properties of the PipeWire node of a name."""
        infos = [each["info"] for each in self.dump() if each["type"] == "PipeWire:Interface:Node"]
        return next((info for info in infos if info["props"].get("node.name") == name), None)

    def grant_camera(self, application: str) -> None:
        """The user's answer to the portal's dialog."""
        store = "org.freedesktop.impl.portal.PermissionStore"
        asked = ("--dest", store, "--object-path", f"/{store.replace('.', '/')}", "--method", f"{store}.SetPermission")
        output = ("devices", "true", "camera", application, "['yes']")
        env = {**os.environ, **self.environment}
        subprocess.run(
            ["gdbus", "call", "--session", *asked, *output], env=env, capture_output=True, timeout=PATIENCE, check=True
        )

    def close(self) -> None:
        self.stop()
        _end(self._bus)
        if self._screen:
            _end(self._screen)


class Viewer:
    """A program that shows a camera: it takes pictures of ``size``, I420 or YUY2, as many as there are, into a file.

    One that is ``hoarding`` takes what comes and gives nothing back for a minute.
    """

    def __init__(
        self,
        desktop: Desktop,
        size: tuple[int, int],
        camera: str = "livebg",
        *,
        pixel_format: str = "I420",
        hoarding: bool = False,
    ) -> None:
        self._size = size
        self._rows = {"I420": Fraction(3, 2), "YUY2": Fraction(2)}[pixel_format]
        self._file = tempfile.NamedTemporaryFile(dir=desktop.folder, suffix=".yuv")  # noqa: SIM115 - closed in close()
        source = ("pipewiresrc", f"target-object={camera}", "!", f"video/x-raw,format={pixel_format}")
        slowly = ("!", "queue", "!", "identity", "sleep-time=60000000") if hoarding else ()
        self.program = desktop.run(
            "gst-launch-1.0", "-q", *source, *slowly, "!", "filesink", f"location={self._file.name}", "buffer-mode=unbuffered"
        )

    @property
    def pictures(self) -> NDArray[np.uint8]:
        """Those that came, shape (count, height * 3 / 2, width), for YUY2 (count, height * 2, width)."""
        width, height = self._size[0], self._size[1] * self._rows
        data = Path(self._file.name).read_bytes()
        whole = len(data) // int(width * height)
        return np.frombuffer(data, np.uint8, whole * int(width * height)).reshape(whole, int(height), width)

    def sees(self, more: int) -> NDArray[np.uint8]:
        """Waits for that many more pictures, and gives them."""
        before = len(self.pictures)
        wait_until(lambda: len(self.pictures) >= before + more, f"{more} more pictures than {before} came")
        return self.pictures[before:]

    def close(self) -> None:
        _end(self.program)
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def livebg_status(desktop: Desktop) -> dict[str, Any]:
    """The status of the livebg that runs there."""
    command = [sys.executable, "-m", "livebg", "status", "--json"]
    env = {**os.environ, **desktop.environment}
    reported: dict[str, Any] = json.loads(
        subprocess.run(command, capture_output=True, env=env, check=True, timeout=PATIENCE).stdout
    )
    return reported


@contextmanager
def private_desktop(patch: pytest.MonkeyPatch, *, screen: bool = False) -> Iterator[Desktop]:
    """A desktop that this process belongs to as well."""
    with tempfile.TemporaryDirectory(prefix="livebg-", ignore_cleanup_errors=True) as folder:
        desktop = Desktop(Path(folder), screen=screen)
        for name in ("XDG_RUNTIME_DIR", "PIPEWIRE_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"):
            patch.setenv(name, desktop.environment[name])
        try:
            yield desktop
        finally:
            desktop.close()


def _display() -> tuple[subprocess.Popen[bytes], str]:
    """An invisible screen, and its name."""
    ours, its = os.pipe()
    command = ["Xvfb", "-displayfd", str(its), "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
    screen = subprocess.Popen(command, pass_fds=[its], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(its)
    with os.fdopen(ours) as reported:
        return screen, f":{reported.readline().strip()}"


def _end(program: subprocess.Popen[bytes]) -> None:
    program.terminate()
    try:
        program.wait(PATIENCE / 3)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait(PATIENCE)

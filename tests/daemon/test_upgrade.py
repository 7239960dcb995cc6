"""The running livebg notices that another version was installed, and restarts while no app uses the camera."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from livebg.daemon.upgrade import UpgradeWatch, restart_after_upgrade

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no service on Windows")


class Installed:
    """A livebg 1.0.0 that runs, with the file of its version and a session."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "_version.py"
        self.idle = True
        self.stops = 0
        self.install("1.0.0")
        self.watch = UpgradeWatch(lambda: self.idle, self._stop, self.file, "1.0.0")

    def install(self, version: str) -> None:
        self.file.write_text(f'"""The version."""\n\nfrom typing import Final\n\n__version__: Final = "{version}"\n')

    def checked(self, times: int) -> int:
        """How often the session was stopped after so many checks."""
        for _ in range(times):
            self.watch.check()
        return self.stops

    def _stop(self) -> None:
        self.stops += 1


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


def test_same_version_does_not_stop_session(installed: Installed) -> None:
    assert installed.checked(3) == 0
    installed.install("1.0.0")
    assert installed.checked(3) == 0


def test_other_version_stops_idle_session_once_settled(installed: Installed) -> None:
    assert installed.checked(1) == 0
    installed.install("1.1.0")
    assert installed.checked(1) == 0
    assert installed.checked(1) == 1
    assert installed.watch.stopped


def test_session_in_use_goes_on_until_idle(installed: Installed) -> None:
    installed.install("1.1.0")
    installed.idle = False
    assert installed.checked(5) == 0
    assert not installed.watch.stopped
    installed.idle = True
    assert installed.checked(1) == 1


def test_removed_or_unreadable_version_does_not_stop_session(installed: Installed) -> None:
    for content in (b"__version__ = None\n", b'__version__: Final = "\xff\n'):  # partly written
        installed.file.write_bytes(content)
        assert installed.checked(3) == 0
    installed.file.unlink()
    assert installed.checked(3) == 0


def test_installed_version_is_that_of_the_package() -> None:
    stops: list[bool] = []
    watch = UpgradeWatch(lambda: True, lambda: stops.append(True))
    assert not watch.check()
    assert not watch.check()
    other = UpgradeWatch(lambda: True, lambda: stops.append(True), running="0.0.1")
    assert [other.check(), other.check()] == [False, True]
    assert stops == [True]


def test_only_service_checks_for_upgrade(installed: Installed) -> None:
    stopped = threading.Event()
    installed.install("1.1.0")
    with restart_after_upgrade(UpgradeWatch(lambda: True, stopped.set, installed.file, "1.0.0"), {}, 0.001):
        assert not stopped.wait(0.1)
    watch = UpgradeWatch(lambda: True, stopped.set, installed.file, "1.0.0")
    with restart_after_upgrade(watch, {"NOTIFY_SOCKET": "/run/notify"}, 0.001):
        assert stopped.wait(30)


def test_new_version_runs_in_same_process_with_same_arguments(tmp_path: Path) -> None:
    script = tmp_path / "livebg"
    script.write_text(
        "import os, sys\n"
        "from livebg.daemon.upgrade import become_new_version\n"
        "print(os.getpid(), *sys.argv[1:], flush=True)\n"
        "if 'AGAIN' not in os.environ:\n"
        "    os.environ['AGAIN'] = '1'\n"
        "    become_new_version()\n"
    )
    command = [sys.executable, str(script), "run", "--mode", "matte"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    first, second = done.stdout.splitlines()
    assert first == second
    assert first.endswith(" run --mode matte")

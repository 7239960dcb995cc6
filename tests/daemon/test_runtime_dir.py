"""The runtime folder of livebg, and that only one livebg runs."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from livebg.daemon.client import request
from livebg.daemon.runtime_dir import LOCK_NAME, SOCKET_NAME, hold_lock, running_pid, runtime_dir
from livebg.errors import ConfigError
from tests.support.fake_daemon import DEADLINE, LIVE, FakeDaemon

DAEMON = """
import time
from livebg.daemon.server import ControlServer
from livebg.daemon.runtime_dir import SOCKET_NAME, hold_lock
with hold_lock() as folder:
    ControlServer(folder / SOCKET_NAME, {"status": lambda arguments: "well"}).start()
    print("ready", flush=True)
    time.sleep(60)
"""


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_socket_is_in_runtime_folder(runtime: Path) -> None:
    assert runtime_dir() == runtime / "livebg"
    assert runtime_dir() == runtime / "livebg"


def test_running_pid_creates_no_lock_file(runtime: Path) -> None:
    assert running_pid() is None
    assert [path for path in runtime.rglob("*") if path.is_file()] == []


def test_lock_holder_is_known_by_pid(runtime: Path) -> None:
    with hold_lock() as folder:
        assert folder == runtime / "livebg"
        assert mode_of(folder) == 0o700
        assert mode_of(folder / LOCK_NAME) == 0o600
        assert running_pid() == os.getpid()
    assert running_pid() is None


def test_missing_runtime_folder_is_created_privately(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / "missing"))
    before = os.umask(0)
    try:
        with hold_lock() as folder:
            assert folder == runtime / "missing" / "livebg" == runtime_dir()
            assert mode_of(folder) == mode_of(folder.parent) == 0o700
    finally:
        os.umask(before)


def test_accessible_folder_becomes_private(runtime: Path) -> None:
    folder = runtime / "livebg"
    folder.mkdir()
    folder.chmod(0o755)
    with hold_lock():
        assert mode_of(folder) == 0o700


def test_linked_folder_is_rejected(runtime: Path) -> None:
    (runtime / "elsewhere").mkdir()
    (runtime / "livebg").symlink_to(runtime / "elsewhere")
    with pytest.raises(ConfigError, match="is not a folder owned by you"), hold_lock():
        pass
    assert list((runtime / "elsewhere").iterdir()) == []


def test_cache_folder_replaces_unusable_runtime_folder(runtime: Path) -> None:
    (runtime / "livebg").touch()
    with hold_lock() as folder:
        assert folder == runtime.parent / "cache" / "livebg" / "run" == runtime_dir()
        assert mode_of(folder) == 0o700
        assert running_pid() == os.getpid()


def test_impossible_folder_fails(runtime: Path) -> None:
    (runtime / "file").touch()
    folder = runtime / "file" / "livebg"
    with pytest.raises(ConfigError, match=r"Cannot lock .*/file/livebg \(Not a directory\)"), hold_lock(folder):
        pass
    assert running_pid(folder) is None


def test_second_holder_is_rejected_with_pid(runtime: Path) -> None:  # noqa: ARG001
    with hold_lock():
        with pytest.raises(ConfigError) as caught, hold_lock():
            pass
        reported = f"livebg is already running (pid {os.getpid()}). Use it, or stop it with `livebg stop`."
        assert str(caught.value) == reported
        assert running_pid() == os.getpid()
    with hold_lock():
        pass


def test_lock_is_released_after_error(runtime: Path) -> None:  # noqa: ARG001
    with pytest.raises(ZeroDivisionError), hold_lock():
        1 / 0  # noqa: B018
    assert running_pid() is None


def test_holder_without_pid_has_pid_0(runtime: Path) -> None:
    with hold_lock():
        (runtime / "livebg" / LOCK_NAME).write_text("")
        assert running_pid() == 0
        with pytest.raises(ConfigError, match=r"^livebg is already running\. "), hold_lock():
            pass


def test_stale_pid_is_ignored(runtime: Path) -> None:
    (runtime / "livebg").mkdir(mode=0o700)
    (runtime / "livebg" / LOCK_NAME).write_text("123456789123456789\n")
    assert running_pid() is None
    with hold_lock():
        assert running_pid() == os.getpid()


def test_shared_lock_does_not_block_start(runtime: Path) -> None:
    with hold_lock():
        pass
    with (runtime / "livebg" / LOCK_NAME).open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert running_pid() is None
        done = threading.Timer(0.05, lambda: fcntl.flock(looking, fcntl.LOCK_UN))
        done.start()
        with hold_lock():
            assert running_pid() == os.getpid()
        done.join(DEADLINE)


def test_sigkill_does_not_block_next_start(runtime: Path) -> None:
    killed = subprocess.Popen([sys.executable, "-c", DAEMON], stdout=subprocess.PIPE, text=True)
    try:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "ready\n"
        assert request("status", timeout=DEADLINE) == "well"
        assert running_pid() == killed.pid
        with pytest.raises(ConfigError, match=rf"already running \(pid {killed.pid}\)"), hold_lock():
            pass
        assert request("status", timeout=DEADLINE) == "well"  # the refused one did not affect it
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.communicate(timeout=DEADLINE)
    assert (runtime / "livebg" / SOCKET_NAME).is_socket()
    assert running_pid() is None
    with FakeDaemon():
        assert request("status", timeout=DEADLINE)["pid"] == LIVE.pid
        assert running_pid() == os.getpid()
    assert not (runtime / "livebg" / SOCKET_NAME).exists()


def test_shared_runtime_folder_is_replaced_by_private_one(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No warning for developers comes out of it, and both sides find the same place."""
    shared = runtime / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(shared))
    monkeypatch.setattr(tempfile, "tempdir", str(runtime))
    assert shared not in runtime_dir().parents
    assert mode_of(runtime_dir()) == 0o700

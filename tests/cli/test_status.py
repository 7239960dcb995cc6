"""``livebg status`` and ``livebg stop``, against a fake daemon."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from livebg.daemon.runtime_dir import hold_lock, running_pid
from livebg.daemon.status import Status
from tests.support.cli_runner import LivebgCli
from tests.support.fake_daemon import ASLEEP, DEADLINE, LIVE, FakeDaemon

NOT_RUNNING = "livebg is not running. Start it with `livebg run`."

pytestmark = pytest.mark.usefixtures("runtime")


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def rows(out: str) -> dict[str, str]:
    """Returns the table as a dict by first column; the reason has the key ''."""
    columns = (re.split(r" {3,}", line, maxsplit=1) for line in out.splitlines())
    return {name: text.strip() for name, text in columns}


def test_status_table_shows_state_first(cli: LivebgCli) -> None:
    with FakeDaemon():
        result = cli.livebg("status")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0].split() == ["state", "live"]
    assert rows(result.out) == {
        "state": "live",
        "mode": "portrait",
        "watched": "yes",
        "camera": "HD Webcam [C920], 1280x720 30 fps MJPEG, opened 2 times",
        "output": "v4l2loopback /dev/video10, 1280x720 at 30 fps",
        "rate": "30.0 fps in, 30.0 fps out",
        "latency": "p50 41 ms, p95 60 ms",
        "delay": "67 ms for smoothing, 4.5 % less flicker (dtSSD)",
        "frames": "900 captured, 895 sent, 3 dropped, 2 failed; 4 repeated, 10 placeholders",
        "CPU": "6.3 ms per frame: network 3.1, compositing 2.0",
        "model": "livebg-u2 at 256x144 on CPUExecutionProvider",
        "kernels": "NumPy (The CPU lacks FMA)",
        "recording": "/home/ada/talk.mkv, 0:01:02, with the microphone default",
        "reduced quality": "mask every 2nd frame",
        "last error": "the camera [C920] was lost: plug it in (0:01:15 ago)",
        "running": "for 1:02:05, pid 4242, livebg 0.1.0",
    }


def test_status_table_omits_missing_values(cli: LivebgCli) -> None:
    with FakeDaemon(ASLEEP):
        result = cli.livebg("status")
    assert rows(result.out) == {
        "state": "asleep",
        "": "nobody watches",
        "mode": "portrait",
        "watched": "no",
        "camera": "not open (requested: auto)",
        "output": "null, 640x480 at 25 fps",
        "rate": "0.0 fps in, 10.0 fps out",
        "frames": "0 captured, 0 sent, 0 dropped, 0 failed; 0 repeated, 50 placeholders",
        "running": "for 5 s, pid 4243, livebg 0.1.0",
    }


def test_narrow_terminal_wraps_without_loss(cli: LivebgCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    with FakeDaemon():
        result = cli.livebg("status")
    assert max(len(line) for line in result.out.splitlines()) <= 40
    assert "the camera [C920] was lost: plug it in (0:01:15 ago)" in " ".join(result.out.split())


@pytest.mark.parametrize("status", [LIVE, ASLEEP])
def test_status_json_is_one_object(status: Status, cli: LivebgCli) -> None:
    with FakeDaemon(status):
        result = cli.livebg("status", "--json")
    assert (result.code, result.err) == (0, "")
    assert result.json_lines == [status.as_dict()]


@pytest.mark.parametrize("arguments", [("status",), ("status", "--json"), ("status", "--watch"), ("stop",)])
def test_status_and_stop_without_daemon_exit_with_6(arguments: tuple[str, ...], cli: LivebgCli) -> None:
    result = cli.livebg(*arguments)
    assert result.code == 6
    assert result.error_line == NOT_RUNNING


def test_incompatible_status_fails_with_clear_message(cli: LivebgCli) -> None:
    with FakeDaemon(replace(LIVE, uptime="long")):  # type: ignore[arg-type]
        result = cli.livebg("status")
        assert result.code == 1
        assert result.error_line.startswith("Incompatible livebg is running (unexpected status field uptime). ")
        assert cli.livebg("status", "--json").json_lines[0]["uptime"] == "long"  # unchanged


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_watch_updates_until_ctrl_c(arguments: tuple[str, ...], cli: LivebgCli) -> None:  # noqa: ARG001
    command = [sys.executable, "-m", "livebg", "status", "--watch", *arguments]
    with FakeDaemon(replace(LIVE, fps_in=11.0)) as daemon, subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as watching:
        assert watching.stdout is not None
        first = _read_update(watching, "--json" in arguments)
        daemon.status = replace(LIVE, fps_in=22.0)
        second = _read_update(watching, "--json" in arguments)
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=DEADLINE)
        assert (watching.returncode, err) == (0, "")
    assert (first, second) == (11.0, 22.0)


def _read_update(watching: "subprocess.Popen[str]", as_json: bool) -> float:
    """Returns the fps of the next update."""
    assert watching.stdout is not None
    if as_json:
        return float(json.loads(watching.stdout.readline())["fps_in"])
    lines = iter(watching.stdout.readline, "")
    rate = next(line for line in lines if line.startswith("rate"))
    return float(rate.split()[1])


def test_watch_ends_with_daemon(cli: LivebgCli) -> None:  # noqa: ARG001
    command = [sys.executable, "-m", "livebg", "status", "--watch", "--json"]
    with FakeDaemon() as daemon, subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as watching:
        assert _read_update(watching, as_json=True) == 29.97
        daemon.__exit__(None, None, None)
        _, err = watching.communicate(timeout=DEADLINE)
        assert (watching.returncode, err) == (6, f"livebg: {NOT_RUNNING}\n")


def test_watch_ends_when_pipe_closes(cli: LivebgCli) -> None:  # noqa: ARG001
    command = [sys.executable, "-m", "livebg", "status", "--watch", "--json"]
    with FakeDaemon(), subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as watching:
        assert watching.stdout is not None
        assert _read_update(watching, as_json=True) == 29.97
        watching.stdout.close()
        assert watching.wait(DEADLINE) == 0
        assert watching.stderr is not None
        assert watching.stderr.read() == ""


def test_stop_returns_after_daemon_ended(cli: LivebgCli) -> None:
    with FakeDaemon() as daemon:
        result = cli.livebg("stop")
        assert (result.code, result.err) == (0, "")
        assert result.out == f"livebg (pid {os.getpid()}) stopped.\n"
        assert running_pid() is None
        daemon.__exit__(None, None, None)
    with hold_lock():
        pass


def test_daemon_that_ignores_stop_is_reported(cli: LivebgCli) -> None:
    with FakeDaemon(deaf=True):
        result = cli.livebg("stop")
    assert result.code == 1
    assert result.error_line == f"livebg (pid {os.getpid()}) did not stop within 5 s. Run `kill {os.getpid()}`."


def test_daemon_that_does_not_listen_is_reported(cli: LivebgCli) -> None:
    with hold_lock():
        result = cli.livebg("stop")
    assert result.code == 6
    assert result.error_line.startswith(f"livebg (pid {os.getpid()}) is starting or stopping and accepts no commands. ")


def test_previews_are_listed_with_watched_state(cli: LivebgCli) -> None:
    with FakeDaemon(replace(LIVE, previews=2)):
        assert rows(cli.livebg("status").out)["watched"] == "yes, previews open: 2"
    with FakeDaemon(replace(LIVE, previews=1, watched_by="unknown")):
        reported = rows(cli.livebg("status").out)["watched"]
    assert reported == "unknown (camera stays on), previews open: 1"

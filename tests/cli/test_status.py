"""``livebg status`` and ``livebg stop``, against a fake daemon."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from livebg.daemon.runtime_dir import hold_lock, running_pid
from livebg.daemon.status import Status
from tests.support.cli_runner import Workshop
from tests.support.fake_daemon import ASLEEP, DEADLINE, LIVE, Daemon, runtime_folder_of_ones_own

NOT_RUNNING = "livebg is not running. Start it with `livebg run`."


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder_of_ones_own(monkeypatch) as folder:
        yield folder


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def rows(out: str) -> dict[str, str]:
    """Returns the table as a dict by first column; the reason has the key ''."""
    columns = (re.split(r" {3,}", line, maxsplit=1) for line in out.splitlines())
    return {name: text.strip() for name, text in columns}


def test_people_read_the_state_first(shop: Workshop) -> None:
    with Daemon():
        said = shop.livebg("status")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0].split() == ["state", "live"]
    assert rows(said.out) == {
        "state": "live",
        "mode": "portrait",
        "watched": "yes",
        "camera": "HD Webcam [C920], 1280x720 30 fps MJPEG, opened 2 times",
        "output": "v4l2loopback /dev/video10, 1280x720 at 30 fps",
        "rate": "30.0 fps in, 30.0 fps out",
        "latency": "p50 41 ms, p95 60 ms",
        "frames": "900 captured, 895 sent, 3 dropped, 2 failed; 4 repeated, 10 placeholders",
        "CPU": "6.3 ms per frame: network 3.1, compositing 2.0",
        "model": "livebg-u2 at 256x144 on CPUExecutionProvider",
        "reduced quality": "mask every 2nd frame",
        "last error": "the camera [C920] was lost: plug it in (0:01:15 ago)",
        "running": "for 1:02:05, pid 4242, livebg 0.1.0",
    }


def test_what_is_not_there_is_not_told(shop: Workshop) -> None:
    with Daemon(ASLEEP):
        said = shop.livebg("status")
    assert rows(said.out) == {
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


def test_a_narrow_terminal_folds_and_loses_nothing(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    with Daemon():
        said = shop.livebg("status")
    assert max(len(line) for line in said.out.splitlines()) <= 40
    assert "the camera [C920] was lost: plug it in (0:01:15 ago)" in " ".join(said.out.split())


@pytest.mark.parametrize("status", [LIVE, ASLEEP])
def test_programs_read_one_json_object(status: Status, shop: Workshop) -> None:
    with Daemon(status):
        said = shop.livebg("status", "--json")
    assert (said.code, said.err) == (0, "")
    assert said.facts == [status.as_dict()]


@pytest.mark.parametrize("arguments", [("status",), ("status", "--json"), ("status", "--watch"), ("stop",)])
def test_where_none_runs_it_says_so_with_an_exit_code_of_its_own(arguments: tuple[str, ...], shop: Workshop) -> None:
    said = shop.livebg(*arguments)
    assert said.code == 6
    assert said.sentence == NOT_RUNNING


def test_a_livebg_that_tells_it_otherwise_is_one_sentence(shop: Workshop) -> None:
    with Daemon(replace(LIVE, uptime="long")):  # type: ignore[arg-type]
        said = shop.livebg("status")
        assert said.code == 1
        assert said.sentence.startswith("Incompatible livebg is running (unexpected status field uptime). ")
        assert shop.livebg("status", "--json").facts[0]["uptime"] == "long"  # unchanged


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_watching_looks_again_until_ctrl_c(arguments: tuple[str, ...], shop: Workshop) -> None:  # noqa: ARG001
    command = [sys.executable, "-m", "livebg", "status", "--watch", *arguments]
    with Daemon(replace(LIVE, fps_in=11.0)) as daemon, subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as watching:
        assert watching.stdout is not None
        first = _look(watching, "--json" in arguments)
        daemon.status = replace(LIVE, fps_in=22.0)
        second = _look(watching, "--json" in arguments)
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=DEADLINE)
        assert (watching.returncode, err) == (0, "")
    assert (first, second) == (11.0, 22.0)


def _look(watching: "subprocess.Popen[str]", as_json: bool) -> float:
    """Returns the fps of the next update."""
    assert watching.stdout is not None
    if as_json:
        return float(json.loads(watching.stdout.readline())["fps_in"])
    lines = iter(watching.stdout.readline, "")
    rate = next(line for line in lines if line.startswith("rate"))
    return float(rate.split()[1])


def test_watching_ends_with_the_livebg_that_is_watched(shop: Workshop) -> None:  # noqa: ARG001
    command = [sys.executable, "-m", "livebg", "status", "--watch", "--json"]
    with Daemon() as daemon, subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as watching:
        assert _look(watching, as_json=True) == 29.97
        daemon.__exit__(None, None, None)
        _, err = watching.communicate(timeout=DEADLINE)
        assert (watching.returncode, err) == (6, f"livebg: {NOT_RUNNING}\n")


def test_watching_ends_when_nobody_reads(shop: Workshop) -> None:  # noqa: ARG001
    command = [sys.executable, "-m", "livebg", "status", "--watch", "--json"]
    with Daemon(), subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as watching:
        assert watching.stdout is not None
        assert _look(watching, as_json=True) == 29.97
        watching.stdout.close()
        assert watching.wait(DEADLINE) == 0
        assert watching.stderr is not None
        assert watching.stderr.read() == ""


def test_stop_comes_back_when_it_is_gone(shop: Workshop) -> None:
    with Daemon() as daemon:
        said = shop.livebg("stop")
        assert (said.code, said.err) == (0, "")
        assert said.out == f"livebg (pid {os.getpid()}) stopped.\n"
        assert running_pid() is None
        daemon.__exit__(None, None, None)
    with hold_lock():
        pass


def test_one_that_does_not_stop_is_told(shop: Workshop) -> None:
    with Daemon(deaf=True):
        said = shop.livebg("stop")
    assert said.code == 1
    assert said.sentence == f"livebg (pid {os.getpid()}) did not stop within 5 s. Run `kill {os.getpid()}`."


def test_one_that_does_not_listen_is_told(shop: Workshop) -> None:
    with hold_lock():
        said = shop.livebg("stop")
    assert said.code == 6
    assert said.sentence.startswith(f"livebg (pid {os.getpid()}) is starting or stopping and accepts no commands. ")


def test_previews_are_told_beside_who_watches(shop: Workshop) -> None:
    with Daemon(replace(LIVE, previews=2)):
        assert rows(shop.livebg("status").out)["watched"] == "yes, previews open: 2"
    with Daemon(replace(LIVE, previews=1, watched_by="unknown")):
        told = rows(shop.livebg("status").out)["watched"]
    assert told == "unknown (camera stays on), previews open: 1"

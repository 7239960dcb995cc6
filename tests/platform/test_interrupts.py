"""Ctrl-C, SIGTERM and SIGHUP at any moment: one sentence, exit code 130, nothing left behind."""

import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from livebg.platform.interrupts import Interrupt, deferred_signals, interruptible
from livebg.sinks.atomic_file import AtomicFile
from tests.support.cli_runner import LivebgCli
from tests.support.media import FAST, Clip
from tests.support.waiting import wait_until

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def start(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "livebg", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_part(folder: Path) -> None:
    """Wait until a segment is being written. Other unfinished files exist for a moment while an input is opened."""
    wait_until(lambda: list(folder.rglob("[0-9]*.part")), "the render did not begin")


def test_interrupt_is_raised_once_until_the_cleanup_hangs() -> None:
    now = [0.0]
    interrupt = Interrupt(lambda: now[0])
    with pytest.raises(KeyboardInterrupt):
        interrupt(2, None)
    for now[0] in (0.0, 0.005, 9.9):
        interrupt(2, None)
    now[0] = 10.1
    with pytest.raises(KeyboardInterrupt):
        interrupt(2, None)


@pytest.mark.parametrize("number", SIGNALS)
def test_cleanup_is_not_interrupted(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    cleaned = []
    try:
        with interruptible() as interrupt:
            try:
                signal.raise_signal(number)
            except KeyboardInterrupt:
                for each in SIGNALS:
                    signal.raise_signal(each)
                cleaned.append(True)
        assert interrupt.requested
        assert {signal.getsignal(each) for each in SIGNALS} == {signal.SIG_IGN}
    finally:
        for each, handler in zip(SIGNALS, before, strict=True):
            signal.signal(each, handler)
    assert cleaned == [True]


def test_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_handle_no_signals() -> None:
    """Python allows it only in the main thread."""
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with interruptible() as interrupt:
            seen.append((interrupt.requested, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
    assert signal.getsignal(signal.SIGTERM) == before


def test_output_that_its_creator_forgets_is_removed(tmp_path: Path) -> None:
    """As when an interrupt arrives between its creation and the ``try`` of the caller."""
    file = AtomicFile(tmp_path / "out.png")
    assert file.part.exists()
    del file
    assert list(tmp_path.iterdir()) == []


def interrupted_twice(steps: list[str]) -> None:
    with deferred_signals():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        steps.append("complete")
    steps.append("not reached")


def test_deferred_signal_arrives_once_at_the_end() -> None:
    steps: list[str] = []
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupted_twice(steps)
    assert steps == ["complete"]
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_during_the_imports_stops(cli: LivebgCli, number: signal.Signals) -> None:  # noqa: ARG001
    """The moments begin when Python itself has started, which no program can influence."""
    chance = random.Random(int(number))
    code = "from livebg.__main__ import *; handle_signals(exit_at_once); print(1, flush=True); main()"
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", code, "models"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.25))
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) in ((130, "livebg: Stopped.\n"), (0, ""))


@pytest.mark.parametrize("jobs", [1, 2])
def test_repeated_signals_leave_nothing_behind(cli: LivebgCli, jobs: int) -> None:
    folder = cli.folder / "in"
    folder.mkdir()
    clip = Clip(count=200, width=960, height=540, options=FAST).write(folder / "a.mp4")  # one segment, which is not kept
    shutil.copy(clip, folder / "b.mp4")
    before = cli.files()
    chance = random.Random(17 + jobs)
    for _ in range(4):
        process = start("render", "in", "--jobs", str(jobs), "--mode", "none")
        wait_for_part(folder)
        for _ in range(chance.randint(2, 4)):
            process.send_signal(chance.choice(SIGNALS))
            time.sleep(chance.uniform(0, 0.03))
        out, errors = process.communicate(timeout=60)
        assert (process.returncode, out) == (130, "")
        assert errors.splitlines()[-1:] == ["livebg: Stopped after 0 of 2 files. Unfinished outputs were removed."]
        assert cli.files() == before


def test_signal_at_any_moment_of_a_render_leaves_nothing_behind(cli: LivebgCli) -> None:
    Clip(count=200, width=320, height=240).write(cli.folder / "a.mp4")
    before = cli.files()
    chance = random.Random(9)
    for _ in range(4):
        process = start("render", "a.mp4", "--mode", "none", "-o", "b.mp4")
        wait_for_part(cli.folder)
        time.sleep(chance.uniform(0, 0.6))
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(chance.uniform(0.005, 0.03))
        _, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors
        assert "nternal error" not in errors
        assert process.returncode in (0, 130)
        assert cli.files() - {"b.mp4"} == before
        (cli.folder / "b.mp4").unlink(missing_ok=True)

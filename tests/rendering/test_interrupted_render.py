"""A render that is interrupted and continued gives the bytes of one that is not, whatever happens to it and whenever."""

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from livebg.rendering.job_files import job_folder
from tests.support.cli_runner import LivebgCli
from tests.support.media import Clip

HANG_S = 120
KILLS_IN_CI = 5
KILLS = 50
AT_THE_SECOND_SEGMENT = """
import os, re, runpy, signal, sys

found = []


def interrupt(event, arguments):
    if event == "os.rename" and re.fullmatch("[0-9]{{4}}[.]json", os.path.basename(arguments[1])):
        found.append(arguments[1])
        if len(found) == 2:
            {action}


sys.addaudithook(interrupt)
runpy.run_module("livebg", run_name="__main__", alter_sys=True)
"""
"""livebg, with an action at the moment when the second segment would be finished: no test can look that fast."""


class InterruptedRender:
    """Runs one render of a clip of 40 s again and again, each time in a process group of its own."""

    def __init__(self, folder: Path) -> None:
        self.clip, self.output = folder / "clip.mp4", folder / "out.mp4"
        self.seconds, self.expected = 0.0, b""

    def measure(self) -> None:
        """Write the clip, and render it without an interruption."""
        Clip(count=160, rate=Fraction(4), audio="aac", options={"g": "12"}).write(self.clip)
        begin = time.monotonic()
        assert self.finish("--jobs", "1") == 0
        self.seconds = time.monotonic() - begin
        self.expected = self.output.read_bytes()
        self.output.unlink()

    def moved_to(self, folder: Path) -> "InterruptedRender":
        """Return the same render of a copy of the clip in ``folder``."""
        moved = InterruptedRender(folder)
        shutil.copy(self.clip, moved.clip)
        moved.seconds, moved.expected = self.seconds, self.expected
        return moved

    def start(self, *options: str, program: Sequence[str] = ("-m", "livebg")) -> "subprocess.Popen[bytes]":
        command = [sys.executable, *program, "render", str(self.clip), "-o", str(self.output), "--model", "toy.onnx", "-q"]
        return subprocess.Popen([*command, *options], start_new_session=True)

    def finish(self, *options: str) -> int:
        return self.start(*options).wait(HANG_S)

    def kill_after(self, seconds: float, *options: str) -> bool:
        """Kill the main process alone after ``seconds``; its workers have to end by themselves. Returns False if it was done."""
        process = self.start(*options)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        return process.wait(HANG_S) == -signal.SIGKILL

    def interrupt(self) -> Path:
        """Kill the render when its first segment is finished, and return the job folder."""
        program = AT_THE_SECOND_SEGMENT.format(action="os.kill(os.getpid(), signal.SIGKILL)")
        assert self.start("--jobs", "1", program=("-c", program)).wait(HANG_S) == -signal.SIGKILL
        assert (job_folder(self.output) / "0000.json").exists()
        return job_folder(self.output)

    def left_behind(self) -> set[str]:
        return {each.name for each in self.output.parent.iterdir()} - {self.clip.name, "toy.onnx"}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> InterruptedRender:
    with pytest.MonkeyPatch.context() as patch:
        render = InterruptedRender(LivebgCli(tmp_path_factory.mktemp("uninterrupted"), patch).folder)
        render.measure()
    return render


@pytest.fixture
def render(cli: LivebgCli, uninterrupted: InterruptedRender) -> InterruptedRender:
    return uninterrupted.moved_to(cli.folder)


def check_kills(render: InterruptedRender, count: int) -> None:
    """Kill at ``count`` random moments of runs and of continued runs; finish in between, now and then."""
    moments, killed = random.Random(20), 0
    while killed < count:
        jobs = moments.choice(("1", "2"))
        was_killed = render.kill_after(moments.uniform(0.0, 1.2 * render.seconds), "--jobs", jobs)
        killed += was_killed
        if was_killed:
            assert render.left_behind() <= {job_folder(render.output).name, render.output.name}
        if was_killed and not render.output.exists() and moments.random() < 0.6:
            continue
        killed_at_the_end = was_killed and render.output.exists()  # while it removed the job folder
        if not render.output.exists():
            assert render.finish("--jobs", jobs) == 0
        assert render.output.read_bytes() == render.expected
        assert killed_at_the_end or render.left_behind() == {render.output.name}
        render.output.unlink()


def test_killed_render_continues_to_the_same_bytes(render: InterruptedRender) -> None:
    check_kills(render, KILLS_IN_CI)


@pytest.mark.kill
def test_render_killed_at_many_moments_continues_to_the_same_bytes(render: InterruptedRender) -> None:
    check_kills(render, KILLS)


def test_bytes_do_not_depend_on_the_number_of_processes(render: InterruptedRender) -> None:
    assert render.finish("--jobs", "2") == 0
    assert render.output.read_bytes() == render.expected


def test_interrupt_keeps_finished_segments_and_says_how_to_go_on(cli: LivebgCli, render: InterruptedRender) -> None:
    program = AT_THE_SECOND_SEGMENT.format(action="os.killpg(0, signal.SIGINT)")  # as a terminal does: the workers get it too
    command = [sys.executable, "-c", program, "render", "clip.mp4", "-o", "out.mp4", "--model", "toy.onnx", "--jobs", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    folder = job_folder(render.output)
    _, message = process.communicate(timeout=HANG_S)
    assert process.returncode == 130
    assert "Run the same command to continue" in message
    assert "livebg jobs clean out.mp4" in message
    assert render.left_behind() == {folder.name}
    listed = cli.livebg("jobs", "list")
    assert "out.mp4" in listed.out
    assert render.finish("--jobs", "1") == 0
    assert render.output.read_bytes() == render.expected


def test_modified_segment_is_rendered_again(cli: LivebgCli, render: InterruptedRender) -> None:
    finished = render.interrupt() / "0000.video.mp4"
    content = bytearray(finished.read_bytes())
    content[len(content) // 2] ^= 1
    finished.write_bytes(content)
    again = cli.render("clip.mp4", "-o", "out.mp4", "--jobs", "1")
    assert again.code == 0
    assert "Segment 0" in again.err
    assert "rendered again" in again.err
    assert render.output.read_bytes() == render.expected


def test_other_settings_start_over_and_say_why(cli: LivebgCli, render: InterruptedRender, tmp_path: Path) -> None:
    render.interrupt()
    done = cli.render("clip.mp4", "-o", "out.mp4", "--jobs", "1", "--blur", "0.9")
    assert done.code == 0
    assert "effect.blur" in done.err
    assert "starts over" in done.err
    alone = tmp_path / "alone.mp4"
    assert cli.render("clip.mp4", "-o", str(alone), "--jobs", "1", "--blur", "0.9").code == 0
    assert render.output.read_bytes() == alone.read_bytes()

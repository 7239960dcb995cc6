"""``livebg render`` in several processes: killed workers, folders of photos, and outputs that exist."""

import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import psutil
import pytest

from tests.support.cli_runner import LivebgCli
from tests.support.media import Clip
from tests.support.photos import save_pixels, scene
from tests.support.worker_tasks import HANG_S


@pytest.fixture
def photos(cli: LivebgCli) -> Path:
    """``in``: twelve photos, one of them in a subfolder and two of them damaged."""
    folder = cli.folder / "in"
    (folder / "sub").mkdir(parents=True)
    for number in range(9):
        save_pixels(scene(40 + number, 30), folder / f"{number}.png")
    save_pixels(scene(50, 30), folder / "sub" / "9.png")
    for name in ("x.jpg", "y.jpg"):
        (folder / name).write_text("no photo")
    return Path("in")


def test_killed_workers_change_no_byte(cli: LivebgCli) -> None:
    Clip(count=300, rate=Fraction(10), width=160, height=120, audio="aac").write(cli.folder / "talk.mp4")
    assert cli.render("talk.mp4", "-o", "expected.mp4", "--jobs", "1", "--quiet").code == 0
    options = ("--model", "toy.onnx", "--jobs", "2", "--json")
    command = [sys.executable, "-m", "livebg", "render", "talk.mp4", "-o", "killed.mp4", *options]
    events, killed = [], 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "progress" and events[-1]["frames"] and not killed:
                for worker in psutil.Process(process.pid).children():
                    if "--multiprocessing-fork" in worker.cmdline():
                        worker.kill()
                        killed += 1
        process.wait(HANG_S)
    assert (process.returncode, killed) == (0, 2)
    retried = [event for event in events if event["event"] == "retried"]
    assert 1 <= len(retried) <= 2
    for event in retried:
        assert re.fullmatch(r"Segment \d \(0:\d\d to .+\) of talk\.mp4", event["task"])
        assert event["error"] == f"{event['task']} failed: its process was killed (SIGKILL). Trying again."
    assert events[-1]["frames"] == 300
    assert (cli.folder / "killed.mp4").read_bytes() == (cli.folder / "expected.mp4").read_bytes()
    assert cli.files() == {"talk.mp4", "expected.mp4", "killed.mp4"}


def test_folder_of_photos_ends_with_its_failures(cli: LivebgCli, photos: Path) -> None:
    result = cli.render(str(photos), "--jobs", "2")
    assert result.code == 3
    lines = result.err.splitlines()
    assert lines[-3] == "2 of 12 files failed:"
    assert [line.split(" is not")[0] for line in sorted(lines[-2:])] == ["  in/x.jpg", "  in/y.jpg"]
    assert sum(": 1 frame in " in line for line in lines) == 10
    last = cli.render(str(photos), "--jobs", "2", "--overwrite", "--json").json_lines[-1]
    assert (last["event"], last["files"]) == ("summary", 10)
    assert sorted((each["input"], each["exit_code"]) for each in last["failed"]) == [("in/x.jpg", 3), ("in/y.jpg", 3)]


def test_existing_outputs_are_skipped_on_request(cli: LivebgCli, photos: Path) -> None:
    assert cli.render(str(photos), "--jobs", "1", "--quiet").code == 3
    kept = (cli.folder / "in" / "0.portrait.png").read_bytes()
    (cli.folder / "in" / "sub" / "9.portrait.png").unlink()
    for name in ("x.jpg", "y.jpg"):
        (cli.folder / "in" / name).unlink()
    before = cli.files()
    result = cli.render(str(photos), "--skip-existing", "--json")
    assert result.code == 0
    assert result.json_lines[0] == {"event": "existing", "files": [f"in/{number}.png" for number in range(9)]}
    assert [event["output"] for event in result.json_lines if event["event"] == "done"] == ["in/sub/9.portrait.png"]
    last = result.json_lines[-1]
    assert (last["event"], last["files"], last["output"]) == ("summary", 1, ["in/sub/9.portrait.png"])
    assert cli.files() - before == {"in/sub/9.portrait.png"}
    assert (cli.folder / "in" / "0.portrait.png").read_bytes() == kept
    nothing = cli.render(str(photos), "--skip-existing", "--json")
    assert [event["event"] for event in nothing.json_lines] == ["existing", "summary"]
    again = cli.render(str(photos), "--skip-existing")
    assert (again.code, again.err) == (0, "Skipped 10 files whose output exists.\n")
    assert cli.render("in/0.png", "--skip-existing", "--quiet").err == ""

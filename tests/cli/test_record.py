"""`livebg record`: its arguments, messages and exit codes. tests/live/test_recorder.py has the recordings themselves."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_runner import LivebgCli
from tests.support.fake_daemon import FakeDaemon

DONE = {"path": "/v/talk.mkv", "seconds": 12.34, "frames": 370, "audio": None, "active": False, "problem": None}


def test_needs_running_livebg(cli: LivebgCli, tmp_path: Path) -> None:
    result = cli.livebg("record", str(tmp_path / "talk.mkv"))
    assert (result.code, result.out) == (6, "")
    assert "not running" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["talk.mkv", "--seconds", "0"], "--seconds is 0"),
        (["--overwrite"], "no file"),
        (["talk.mkv", "--seconds", "nan"], "nan"),
        (["--stop", "talk.mkv"], "no other argument, but found talk.mkv"),
        (["--stop", "--seconds", "0", "--overwrite"], "no other argument, but found --seconds, --overwrite"),
    ],
)
def test_bad_arguments_are_refused_first(cli: LivebgCli, arguments: list[str], message: str) -> None:
    result = cli.livebg("record", *arguments)
    assert result.code == 2
    assert message in result.err


@pytest.mark.parametrize(("problem", "code"), [(None, 0), ("Cannot write talk.mkv: no space left on device.", 4)])
def test_stop_completes_running_recording(cli: LivebgCli, problem: str | None, code: int) -> None:
    done: dict[str, Any] = DONE | {"problem": problem}
    with FakeDaemon(more={"stop_recording": lambda _: done}):
        result = cli.livebg("record", "--stop")
    assert result.code == code
    assert "/v/talk.mkv: 12.3 s, 370 frames" in (result.err if problem else result.out)
    assert problem is None or problem in result.err

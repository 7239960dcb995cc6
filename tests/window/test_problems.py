"""The problems of the doctor and what their buttons do."""

import subprocess
from typing import Any

import pytest

from livebg.window.problems import FixKind, fix_command, fix_script, problems


def finding(status: str, message: str, fix: str | None, check: str = "device") -> dict[str, Any]:
    return {"group": "virtual camera", "check": check, "status": status, "message": message, "fix": fix}


@pytest.mark.parametrize(
    ("fix", "command"),
    [
        ("livebg setup", "livebg setup"),
        ("sudo apt install v4l2loopback-dkms, then livebg setup", "sudo apt install v4l2loopback-dkms && livebg setup"),
        ("livebg run, or systemctl --user start livebg", "livebg run"),
        ("sudo mokutil --import key, then reboot and choose Enroll MOK", "sudo mokutil --import key"),
        (
            "systemctl --user restart wireplumber (`livebg setup` makes livebg start first)",
            "systemctl --user restart wireplumber",
        ),
        ("Find it with `sudo fuser -v /dev/video42` and close it", "sudo fuser -v /dev/video42"),
        ("See below, or for Firefox: livebg setup --pipewire", "livebg setup --pipewire"),
        ("echo 10 | sudo tee /sys/x", "echo 10 | sudo tee /sys/x"),
        ("Close obs (process 7), then v4l2-ctl -d /dev/video42 -c keep_format=0", ""),
        ("Reboot", ""),
        ("", ""),
    ],
)
def test_command_of_a_fix(fix: str, command: str) -> None:
    assert fix_command(fix) == command


def test_serious_problems_come_first_without_duplicates() -> None:
    found = problems(
        [
            finding("ok", "Fine", None),
            finding("warn", "Not a service", "livebg setup"),
            finding("skipped", "Not here", None),
            finding("FAIL", "No camera", "livebg setup"),
            finding("FAIL", "No camera", "livebg setup", check="device number"),
        ]
    )
    assert [(each.message, each.serious) for each in found] == [("No camera", True), ("Not a service", False)]


@pytest.mark.parametrize(
    ("fix", "kind"),
    [
        ("livebg run, or systemctl --user start livebg", FixKind.START),
        ("livebg stop && livebg run, or systemctl --user restart livebg", FixKind.RESTART),
        ("livebg setup", FixKind.RUN),
        ("Unplug it and plug it in again", FixKind.COPY),
    ],
)
def test_button_of_a_problem(fix: str, kind: FixKind) -> None:
    (problem,) = problems([finding("FAIL", "Something", fix)])
    assert problem.kind is kind


def test_script_shows_and_runs_the_command_with_this_livebg() -> None:
    command = fix_script("livebg setup --dry-run && echo done", ("/bin/echo", "this livebg"))
    done = subprocess.run(command, input="\n", capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "$ livebg setup --dry-run && echo done",
        "",
        "this livebg setup --dry-run",
        "done",
        "",
        "Press Enter to close this window. ",
    ]

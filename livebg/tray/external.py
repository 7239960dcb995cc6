"""What the tray opens: other programs' windows."""

import json
import logging
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from livebg.errors import LivebgError
from livebg.tray import dbus

_LOG: Final = logging.getLogger(__name__)
Find = Callable[[str], str | None]
"""Gives the path of a program, or None."""
TERMINALS: Final[Mapping[str, tuple[str, ...]]] = {
    "xdg-terminal-exec": (),
    "x-terminal-emulator": ("-e",),
    "gnome-terminal": ("--",),
    "ptyxis": ("--",),
    "kgx": ("--",),
    "konsole": ("-e",),
    "xfce4-terminal": ("-x",),
    "mate-terminal": ("-x",),
    "kitty": (),
    "alacritty": ("-e",),
    "foot": (),
    "xterm": ("-e",),
}
"""Each with what comes before the command that it is to run."""
_DOCTOR: Final = '"$@" doctor; printf "\\nEnter closes this window. "; read -r _'
_TITLE: Final = "A picture to stand before"
_PICTURES: Final = "*.jpg *.jpeg *.png *.webp *.JPG *.JPEG *.PNG *.WEBP"


def in_terminal(command: Sequence[str], find: Find = shutil.which) -> tuple[str, ...] | None:
    """The command that runs ``command`` in a terminal's window; None where no terminal is known."""
    for name, before in TERMINALS.items():
        if find(name):
            return (name, *before, *command)
    return None


def launch(command: Sequence[str], failed: Callable[[str], None]) -> None:
    """Start a program with a window and come back. Where it ends with an error, ``failed`` hears its last words, from a thread.

    Raises :class:`~livebg.errors.LivebgError` when it cannot be started.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise LivebgError(f"{command[0]} cannot be started ({error.strerror}): install it anew") from error

    def attend() -> None:
        said = process.communicate()[1].strip().splitlines()
        if process.returncode > 0:
            failed((said or [f"{command[0]} ended with exit code {process.returncode}"])[-1].removeprefix("livebg: "))

    threading.Thread(target=attend, name=f"livebg {Path(command[0]).name}", daemon=True).start()


def log_command(has_service: bool, log: Path) -> tuple[str, ...]:
    """What shows livebg's log and goes on with it. Raises :class:`~livebg.errors.LivebgError` where there is none."""
    if has_service:
        return ("journalctl", "--user", "--unit=livebg.service", "--lines=500", "--follow")
    if not log.is_file():
        raise LivebgError("livebg has written no log yet: one that runs in a terminal says everything there")
    return ("tail", "-n", "500", "-f", str(log))


def doctor_command(livebg: Sequence[str]) -> tuple[str, ...]:
    """The doctor, for a terminal's window that stays open until Enter."""
    return ("/bin/sh", "-c", _DOCTOR, "livebg", *livebg)


def doctors_word(livebg: Sequence[str]) -> str:
    """What the doctor has found, for where there is no terminal. Raises :class:`~livebg.errors.LivebgError`."""
    try:
        done = subprocess.run(
            [*livebg, "doctor", "--json", "--no-measure"], capture_output=True, text=True, timeout=60, check=False
        )
        findings = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        raise LivebgError("the doctor does not answer: run `livebg doctor` in a terminal") from None
    wrong = [f"{each['check']}: {each['found']} ({each['mend']})" for each in findings if each["status"] in ("FAIL", "warn")]
    return "; ".join(wrong[:3]) or "the doctor finds nothing wrong"


def choose_picture(find: Find = shutil.which, variables: Mapping[str, str] = os.environ) -> Path | None:
    """A file that the user chooses; None when he thinks better of it.

    Raises :class:`~livebg.errors.LivebgError` where the desktop has no dialog for that.
    """
    dialogs = {
        "zenity": ("--file-selection", f"--title={_TITLE}", f"--file-filter=Pictures | {_PICTURES}", "--file-filter=All | *"),
        "kdialog": ("--title", _TITLE, "--getopenfilename", str(Path.home()), f"{_PICTURES}|Pictures"),
    }
    order = sorted(dialogs, reverse="KDE" not in variables.get("XDG_CURRENT_DESKTOP", "").upper())
    for name in order:
        if find(name):
            done = subprocess.run([name, *dialogs[name]], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if done.returncode in (0, 1):
                chosen = done.stdout.removesuffix("\n")
                return Path(chosen) if done.returncode == 0 and chosen else None
            _LOG.warning("%s failed: %s", name, done.stderr.strip())
    try:
        return dbus.choose_file(_TITLE)
    except dbus.BusError as error:
        _LOG.warning("no portal: %s", error)
        raise LivebgError(
            "this desktop has no dialog to choose a file: install zenity, or say `livebg background FILE` in a terminal"
        ) from None

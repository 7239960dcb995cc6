"""Runs the actions of the tray menu: commands, windows of other programs, the file dialog and the start at login."""

import json
import logging
import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from livebg.daemon.client import COMMAND_TIMEOUT_S, request
from livebg.errors import LivebgError, NotRunningError, SetupError
from livebg.platform.user_paths import user_folder
from livebg.setup.resources import AUTOSTART, desktop_entry, former_path
from livebg.system import files
from livebg.system.session_bus import BusError
from livebg.tray.desktop import choose_file, notify
from livebg.tray.launcher import DaemonLauncher
from livebg.tray.menu import Action, DaemonCommand, LocalAction

_DIALOG_TIMEOUT_S: Final = 630.0
"""Maximum time for the desktop's dialog for shortcuts, a little longer than livebg waits for it."""
Failed = Callable[[str], None]
_LOG: Final = logging.getLogger(__name__)
Find = Callable[[str], str | None]
"""Returns the path of a program, or None."""
TERMINALS: Final[Mapping[str, tuple[str, ...]]] = {
    "xdg-terminal-exec": (),
    "x-terminal-emulator": ("-e",),
    "ptyxis": ("--",),
    "gnome-terminal": ("--",),
    "konsole": ("-e",),
    "xfce4-terminal": ("-x",),
    "xterm": ("-e",),
}
"""Terminal emulators with the arguments that precede the command to run: the user's choice, Debian's, the desktops' own, X's."""
_DOCTOR_SCRIPT: Final = '"$@" doctor; printf "\\nPress Enter to close this window. "; read -r _'
_DIALOG_TITLE: Final = "Choose a background image"
_IMAGE_PATTERNS: Final = "*.jpg *.jpeg *.png *.webp *.JPG *.JPEG *.PNG *.WEBP"


def terminal_command(command: Sequence[str], find: Find = shutil.which) -> tuple[str, ...] | None:
    """Return the command line that runs ``command`` in a terminal window, or None if no known terminal is installed."""
    for name, before in TERMINALS.items():
        if find(name):
            return (name, *before, *command)
    return None


def launch(command: Sequence[str], failed: Callable[[str], None]) -> None:
    """Start a program and return immediately.

    If the program exits with an error, ``failed`` is called from a thread with its last line of standard error; if a signal ends
    it, with a sentence on that. Raises :class:`~livebg.errors.LivebgError` if it cannot be started.
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
        raise LivebgError(f"Cannot start {command[0]} ({error.strerror}).", "Reinstall it.") from error

    def wait() -> None:
        with process:
            # Only the last line: a window that is open for days may write many.
            last = deque(filter(str.strip, process.stderr or ()), maxlen=1)
        if process.returncode > 0:
            reason = last[0].strip() if last else f"{command[0]} failed with exit code {process.returncode}."
            failed(reason.removeprefix("livebg: "))
        elif process.returncode not in (0, -signal.SIGTERM):  # SIGTERM is the normal end at logout
            failed(f"{command[0]} was ended by signal {-process.returncode} ({signal.strsignal(-process.returncode)}).")

    threading.Thread(target=wait, name=f"livebg {Path(command[0]).name}", daemon=True).start()


def log_command(has_service: bool, log: Path) -> tuple[str, ...]:
    """Return the command that shows and follows livebg's log. Raises :class:`~livebg.errors.LivebgError` if there is no log."""
    if has_service:
        return ("journalctl", "--user", "--unit=livebg.service", "--lines=500", "--follow")
    if not log.is_file():
        raise LivebgError("livebg has not written a log yet.", "If it runs in a terminal, read its messages there.")
    return ("tail", "-n", "500", "-f", str(log))


def doctor_command(livebg: Sequence[str]) -> tuple[str, ...]:
    """Return the command that runs `livebg doctor` and then waits for Enter, so that the terminal stays open."""
    return ("/bin/sh", "-c", _DOCTOR_SCRIPT, "livebg", *livebg)


def doctor_findings(livebg: Sequence[str]) -> list[dict[str, Any]]:
    """Return the objects of `livebg doctor --json`, without the measurement. Raises :class:`~livebg.errors.LivebgError`."""
    try:
        done = subprocess.run(
            [*livebg, "doctor", "--json", "--no-measure"], capture_output=True, text=True, timeout=60, check=False
        )
        findings: list[dict[str, Any]] = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        raise LivebgError("`livebg doctor` failed.", "Run it in a terminal.") from None
    return findings


def doctor_summary(livebg: Sequence[str]) -> str:
    """Return the first problems that `livebg doctor` finds, for a notification. Raises :class:`~livebg.errors.LivebgError`."""
    findings = doctor_findings(livebg)
    wrong = [f"{each['check']}: {each['message']} ({each['fix']})" for each in findings if each["status"] in ("FAIL", "warn")]
    return "; ".join(wrong[:3]) or "livebg doctor found no problems"


def choose_picture() -> Path | None:
    """Let the user choose an image file, in the portal's dialog or, without a portal, in zenity's.

    Return None if the user cancels. Raises :class:`~livebg.errors.LivebgError` if no file dialog is available.
    """
    try:
        return choose_file(_DIALOG_TITLE)
    except BusError as error:
        _LOG.debug("Cannot open the portal's file dialog: %s", error)
    if shutil.which("zenity"):
        dialog = ["zenity", "--file-selection", f"--title={_DIALOG_TITLE}", f"--file-filter=Pictures | {_IMAGE_PATTERNS}"]
        command = [*dialog, "--file-filter=All | *"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode in (0, 1):
            chosen = os.fsdecode(done.stdout.removesuffix(b"\n"))
            return Path(chosen) if done.returncode == 0 and chosen else None
        _LOG.warning("zenity failed: %s", done.stderr.decode(errors="replace").strip())
    raise LivebgError("No file dialog is available.", "Install zenity, or run `livebg background FILE` in a terminal.")


@dataclass(frozen=True, slots=True)
class Autostart:
    """The XDG autostart entry of the tray, which `livebg setup` also writes, below the configuration folder ``config``.

    It replaces an entry for all users, as packages have it, in a folder of ``shared``. ``command`` is the command line that
    starts livebg.
    """

    command: tuple[str, ...]
    config: Path | None = field(default_factory=lambda: user_folder("config", None))
    shared: tuple[Path, ...] = field(default_factory=lambda: _shared_folders())

    @property
    def is_on(self) -> bool:
        """Whether an entry exists and is not marked as hidden, which is how desktops disable an entry in their settings."""
        if self.config is None:
            return False
        own, former = self.config / AUTOSTART, former_path(self.config / AUTOSTART)
        return _is_enabled(own) or _is_enabled(former) or (not own.exists() and self._is_shared)

    @property
    def _is_shared(self) -> bool:
        return any(_is_enabled(folder / AUTOSTART) for folder in self.shared)

    def switch(self, on: bool) -> None:
        """Write, hide or remove the entry. Raises :class:`~livebg.errors.SetupError` without a folder that is writable."""
        if self.config is None:
            raise SetupError("The start at login needs a home directory, and there is none.", "Set HOME.")
        path = self.config / AUTOSTART
        if on:
            files.write(path, desktop_entry(self.command, AUTOSTART).encode("utf-8", "surrogateescape"))
        elif self._is_shared:
            files.write(path, b"[Desktop Entry]\nType=Application\nName=livebg (tray icon)\nHidden=true\n")
        else:
            files.remove(path)
        files.remove(former_path(path))


def _shared_folders() -> tuple[Path, ...]:
    return tuple(map(Path, (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")))


def _is_enabled(entry: Path) -> bool:
    try:
        lines = entry.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    settings = {line.replace(" ", "").casefold() for line in lines}
    return not settings & {"hidden=true", "x-gnome-autostart-enabled=false"}


@dataclass(frozen=True)
class ActionRunner:
    """Runs menu actions. ``command`` is the command line that starts livebg."""

    command: tuple[str, ...]
    launcher: DaemonLauncher
    autostart: Autostart
    choose: Callable[[], Path | None] = choose_picture
    notify: Callable[[str], None] = notify

    def run(self, action: Action, failed: Failed) -> DaemonCommand | None:
        """Run ``action`` and return a follow-up command, if any. ``failed`` is called if a launched program fails later.

        Raises :class:`~livebg.errors.LivebgError` if the action fails.
        """
        match action:
            case DaemonCommand():
                request(action.command, action.arguments, timeout=COMMAND_TIMEOUT_S)
            case LocalAction.START | LocalAction.RESTART:
                (self.launcher.start if action is LocalAction.START else self.launcher.restart)()
            case LocalAction.CHOOSE_BACKGROUND:
                return self._choose_background()
            case LocalAction.WINDOW | LocalAction.PREVIEW:
                launch([*self.command, action.name.lower()], failed)
            case LocalAction.SHORTCUTS:
                self._set_up_shortcuts()
            case LocalAction.LOGIN:
                self.autostart.switch(not self.autostart.is_on)
            case LocalAction.LOG:
                self._show_log(failed)
            case LocalAction.DOCTOR:
                self._show_doctor(failed)
            case LocalAction.STOP_AND_QUIT:
                with suppress(NotRunningError):
                    request("stop")
        return None

    def _choose_background(self) -> DaemonCommand | None:
        image = self.choose()
        return DaemonCommand("background", {"background": str(image.absolute())}) if image else None

    def _set_up_shortcuts(self) -> None:
        found = request("set_up_shortcuts", timeout=_DIALOG_TIMEOUT_S)["shortcuts"]
        if found:  # the desktop shows no dialog for those that it knows
            self.notify("; ".join(f"{each['description']}: {each['trigger'] or 'no keys'}" for each in found))

    def _show_log(self, failed: Failed) -> None:
        command = log_command(self.launcher.has_service, self.launcher.log)
        window = terminal_command(command)
        if window is None:
            raise LivebgError("No terminal emulator found to show the log.", f"Run `{' '.join(command)}` in a terminal.")
        launch(window, failed)

    def _show_doctor(self, failed: Failed) -> None:
        window = terminal_command(doctor_command(self.command))
        if window is None:
            self.notify(doctor_summary(self.command))
        else:
            launch(window, failed)

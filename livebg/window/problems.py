"""The problems that `livebg doctor` finds, and what the button of each one does. Needs no GTK."""

import enum
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_PROGRAMS: Final = (
    *("sudo", "livebg", "systemctl", "journalctl", "flatpak", "pip", "rm", "echo", "kill", "v4l2-ctl", "apt", "dnf", "zypper"),
)
"""Programs that the commands of the doctor start with."""
_SCRIPT: Final = """livebg() {{ {livebg} "$@"; }}
printf '%s\\n\\n' {shown}
{command}
printf '\\nPress Enter to close this window. '
read -r _
"""


class FixKind(enum.Enum):
    """What the button of a problem does."""

    START = enum.auto()
    RESTART = enum.auto()
    RUN = enum.auto()
    """Run a command in a terminal, where the user sees it and enters a password."""
    COPY = enum.auto()
    """Copy the step, which is something that the user has to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem. ``fix`` is the step that solves it, ``command`` the shell command in it if ``kind`` is RUN."""

    check: str
    message: str
    fix: str
    kind: FixKind
    command: str = ""
    serious: bool = False


def problems(findings: Iterable[Mapping[str, Any]]) -> tuple[Problem, ...]:
    """Return the problems among the objects of ``livebg doctor --json``, serious ones first, without duplicates."""
    found: dict[tuple[str, str], Problem] = {}
    for each in findings:
        if each.get("status") in ("FAIL", "warn"):
            fix = str(each.get("fix") or "")
            kind, command = _fix(fix)
            message = str(each.get("message", ""))
            problem = Problem(str(each.get("check", "")), message, fix, kind, command, each["status"] == "FAIL")
            found.setdefault((message, fix), problem)
    return tuple(sorted(found.values(), key=lambda problem: not problem.serious))


def fix_command(fix: str) -> str:
    """Return the shell command in a fix, or an empty text if it contains none."""
    quoted = re.search(r"`([^`]+)`", fix)
    if quoted and not _is_command(fix):
        return quoted[1]
    text = fix if _is_command(fix) else fix.rpartition(": ")[2]
    steps: list[str] = []
    for step in text.split(", then "):
        command = step.partition(" (")[0].partition(", or ")[0].strip()
        if not _is_command(command):
            break
        steps.append(command)
    return " && ".join(steps)


def fix_script(command: str, livebg: Sequence[str]) -> tuple[str, ...]:
    """Return the command line that shows and runs ``command`` and waits for Enter. ``livebg`` starts this livebg."""
    script = _SCRIPT.format(livebg=shlex.join(livebg), shown=shlex.quote(f"$ {command}"), command=command)
    return ("/bin/sh", "-c", script)


def _fix(fix: str) -> tuple[FixKind, str]:
    command = fix_command(fix)
    if command == "livebg run":
        return FixKind.START, ""
    if command == "livebg stop && livebg run":
        return FixKind.RESTART, ""
    return (FixKind.RUN, command) if command else (FixKind.COPY, "")


def _is_command(text: str) -> bool:
    return text.partition(" ")[0] in _PROGRAMS

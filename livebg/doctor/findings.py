"""Results of the checks."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from livebg.errors import LivebgError

Status = Literal["ok", "warn", "FAIL", "skipped"]
"""ok: no problem; warn: works with a limitation or temporarily; FAIL: livebg does not work or is not visible to apps; skipped:
the check does not apply or could not run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    ``message`` is a sentence without its full stop. ``fix`` is the command or step that solves the problem, if any.
    """

    status: Status
    message: str
    fix: str | None = None


def ok(message: str) -> Finding:
    """Return a finding without a problem."""
    return Finding("ok", message)


def warn(message: str, fix: str | None = None) -> Finding:
    """Return a finding about a limitation."""
    return Finding("warn", message, fix)


def fail(message: str, fix: str) -> Finding:
    """Return a finding about a problem that prevents livebg from working."""
    return Finding("FAIL", message, fix)


def skipped(message: str) -> Finding:
    """Return a finding for a check that did not run; ``message`` is the reason."""
    return Finding("skipped", message)


def from_error(error: LivebgError) -> Finding:
    """Convert an error: its hint becomes the fix."""
    return Finding("FAIL", error.message.removesuffix("."), error.hint and error.hint.removesuffix("."))


@dataclass(frozen=True, slots=True)
class Result:
    """The finding of a check. ``check`` is a unique, stable name that programs may rely on."""

    group: str
    check: str
    finding: Finding

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-compatible dict with the keys ``group``, ``check``, ``status``, ``message`` and ``fix`` (str or None)."""
        return {"group": self.group, "check": self.check, **asdict(self.finding)}

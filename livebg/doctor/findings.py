"""Results of the checks."""

from dataclasses import dataclass
from typing import Any, Literal

from livebg.errors import LivebgError

Status = Literal["ok", "warn", "FAIL", "skipped"]
"""ok: no problem; warn: works with a limitation or temporarily; FAIL: livebg does not work or is not visible to apps; skipped:
the check does not apply or could not run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``found`` is a sentence without its full stop. ``mend`` is the command or step that fixes the problem, if any."""

    status: Status
    found: str
    mend: str | None = None


def ok(found: str) -> Finding:
    return Finding("ok", found)


def warn(found: str, mend: str | None = None) -> Finding:
    return Finding("warn", found, mend)


def fail(found: str, mend: str) -> Finding:
    return Finding("FAIL", found, mend)


def skipped(why: str) -> Finding:
    return Finding("skipped", why)


def failed_by(error: LivebgError) -> Finding:
    """Convert an error: its last sentence, or else the text after its last colon, is the fix."""
    text = str(error).removesuffix(".")
    found, _, mend = text.rpartition(". " if ". " in text else ": ")
    return Finding("FAIL", found or text, mend if found else None)


@dataclass(frozen=True, slots=True)
class Result:
    """The finding of a check. ``check`` is a unique, stable name that programs may rely on."""

    group: str
    check: str
    finding: Finding

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-compatible dict with the keys ``group``, ``check``, ``status``, ``found`` and ``mend`` (str or None)."""
        finding = self.finding
        return {
            "group": self.group,
            "check": self.check,
            "status": finding.status,
            "found": finding.found,
            "mend": finding.mend,
        }

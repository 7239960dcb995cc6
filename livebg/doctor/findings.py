"""What a check has to say."""

from dataclasses import dataclass
from typing import Any, Literal

from livebg.errors import LivebgError

Status = Literal["ok", "warn", "FAIL", "skipped"]
"""ok: as it should be; warn: it works, with a flaw or for now; FAIL: this keeps livebg from working or from being seen; skipped:
it could not be looked at, or there is nothing to look at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``found`` is a sentence for people without its full stop; ``mend`` the command or step that helps, where there is one."""

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
    """Split an error message into what was found and what to do: its last sentence, or else what follows its last colon."""
    text = str(error)
    found, _, mend = text.rpartition(". " if text.endswith(".") else ": ")
    return Finding("FAIL", found or text, mend if found else None)


@dataclass(frozen=True, slots=True)
class Result:
    """A check's finding under the check's name, which is unique and stays as it is, since programs know it."""

    group: str
    check: str
    finding: Finding

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON: ``group``, ``check``, ``status``, ``found`` and ``mend`` (text or None); more may be added."""
        finding = self.finding
        return {
            "group": self.group,
            "check": self.check,
            "status": finding.status,
            "found": finding.found,
            "mend": finding.mend,
        }

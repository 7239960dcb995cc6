"""The result of a command that changes the session."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from livebg.errors import LivebgError


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The state after a command. Scripts rely on these names; fields may be added."""

    effect: bool
    """Whether the room is hidden; False after ``off``."""
    paused: bool
    mode: str
    """The effect mode, even while the effect is off: portrait, greenscreen, background or matte."""
    background: str
    blur: float
    screen: str
    camera: str
    """The requested camera."""
    changed: tuple[str, ...] = ()
    """Settings changed by the command."""
    at_next_start: tuple[str, ...] = ()
    """Settings changed in the configuration file that take effect at the next start."""
    note: str | None = None
    """Human-readable note."""

    def as_dict(self) -> dict[str, Any]:
        """Returns a JSON-compatible dictionary."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Parses the result from a running livebg, possibly newer. Raises :class:`~livebg.errors.LivebgError` if invalid."""
        from pydantic import TypeAdapter, ValidationError  # slow to import, and `livebg --help` does not need them

        try:
            return TypeAdapter(cls).validate_python(data)
        except ValidationError:
            raise LivebgError("Incompatible livebg is running.", "Restart it.") from None

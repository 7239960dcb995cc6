"""What the running livebg answers to a command that changes something."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from livebg.errors import LivebgError


@dataclass(frozen=True, slots=True)
class Held:
    """What holds once a command was done. Scripts rely on these names: fields may be added."""

    effect: bool
    """Whether the room is out of sight; False after ``off``."""
    paused: bool
    mode: str
    """Of the effect, also while that is off: portrait, greenscreen, background or matte."""
    background: str
    blur: float
    screen: str
    camera: str
    """What is asked for."""
    changed: tuple[str, ...] = ()
    """The settings that the command changed."""
    at_next_start: tuple[str, ...] = ()
    """The settings that the configuration file has changed and that take effect when livebg is started again."""
    note: str | None = None
    """What else there is to know, for people."""

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, told: Any) -> Self:
        """What a livebg, perhaps a newer one, told. Raises :class:`~livebg.errors.LivebgError` when it is something else."""
        try:
            return TypeAdapter(cls).validate_python(told)
        except ValidationError:
            raise LivebgError("Incompatible livebg is running. Restart it.") from None

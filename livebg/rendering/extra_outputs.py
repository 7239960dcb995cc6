"""The files that a render writes beside the video, from the same frames and mattes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from livebg.errors import ConfigError

if TYPE_CHECKING:
    from livebg.compositing.composite import Consent


class OutputKind(StrEnum):
    """What an output shows."""

    VIDEO = "video"
    """The composite of the mode in the settings."""
    MATTE = "matte"
    """The matte as shown: after edge and framing."""
    CUTOUT = "cutout"
    """The person with transparency."""
    PLATE = "plate"
    """The room with transparency in place of the person."""
    STORED_MATTE = "stored-matte"
    """The matte before edge, framing and compositing, lossless: what :class:`~livebg.sources.stored_matte.StoredMatte` reads."""


_REQUESTABLE: Final = (OutputKind.MATTE, OutputKind.CUTOUT, OutputKind.PLATE)


@dataclass(frozen=True, slots=True)
class ExtraOutput:
    """A file beside the video. A plate shows the room, so it needs the user's ``consent``: raises TypeError without."""

    kind: OutputKind
    path: Path
    consent: "Consent | None" = None

    def __post_init__(self) -> None:
        if self.kind is OutputKind.PLATE and self.consent is None:
            raise TypeError("The room may be shown only with the user's consent.")

    @property
    def option(self) -> str:
        """The option that requests this output, for messages."""
        return "--keep-matte" if self.kind is OutputKind.STORED_MATTE else f"--also {self.kind}"


def parse_also(texts: Sequence[str], consent: "Consent") -> tuple[ExtraOutput, ...]:
    """Return the outputs of the options ``--also KIND=FILE``; ``consent`` is that of the user, who typed them.

    Raises :class:`~livebg.errors.ConfigError` for a missing or unknown kind, a missing file, and a kind that is given twice.
    """
    extras: list[ExtraOutput] = []
    for text in texts:
        name, equals, file = text.partition("=")
        if not equals or name not in _REQUESTABLE:
            problem = f"'{name}' is no kind of output" if equals else "it has no kind of output"
            kinds = f"{', '.join(_REQUESTABLE[:-1])} or {_REQUESTABLE[-1]}"
            raise ConfigError(f"Invalid --also {text}: {problem}.", f"Write KIND=FILE, where KIND is {kinds}.")
        if not file:
            raise ConfigError(f"Invalid --also {text}: it names no file.", f"Write for example --also {name}=OUT.mov.")
        kind = OutputKind(name)
        if any(kind is each.kind for each in extras):
            raise ConfigError(f"--also {kind} is given twice.", "Leave one of them out.")
        extras.append(ExtraOutput(kind, Path(file), consent if kind is OutputKind.PLATE else None))
    return tuple(extras)


def kept_mattes(outputs: Sequence[Path]) -> list[ExtraOutput]:
    """Return the stored matte of each video: ``NAME.matte.mkv`` beside ``NAME.mp4``; with the extension, ``NAME.mp4.matte.mkv``,
    if two videos differ only in that."""
    wanted = [output.with_name(f"{output.stem}.matte.mkv") for output in outputs]
    count = Counter(wanted)
    paths = [
        path if count[path] == 1 else output.with_name(f"{output.name}.matte.mkv")
        for output, path in zip(outputs, wanted, strict=True)
    ]
    return [ExtraOutput(OutputKind.STORED_MATTE, path) for path in paths]

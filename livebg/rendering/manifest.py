"""The manifest of a render: everything that its bytes depend on. Finished segments are used again only if it is equal."""

import hashlib
import json
import os
import platform
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import av
from pydantic import TypeAdapter, ValidationError

import livebg
from livebg.errors import SourceError
from livebg.native import kernel_status
from livebg.rendering.report_text import format_time, listed
from livebg.rendering.sealed_file import canonical, digest
from livebg.rendering.segments import Segment

_WHOLE: Final = 32 * 2**20
"""Bytes; a file up to this size is hashed as a whole."""
_END: Final = 2**20
_BLOCK: Final = 2**16
_BLOCKS: Final = 62
"""Of a larger file, the first and the last MiB are hashed, and 62 blocks of 64 KiB in between: 6 MiB."""
_SHOWN: Final = 3
_SHOWN_CHARACTERS: Final = 40
"""A message names so many changed settings, and so much of a value."""
_LIBRARIES: Final = ("av", "numpy", "onnxruntime", "opencv-python", "pillow", "pillow-heif")


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """A file that is read: its absolute path, size in bytes, time of modification, and the SHA-256 of its content or of samples.

    The path does not count when identities are compared, because a job and its files may move together.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str


def identify(path: Path) -> FileIdentity:
    """Return the identity of a file. Reads 6 MiB of it at most, or all of it up to 32 MiB. Raises SourceError."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            sha = hashlib.sha256()
            for offset, length in _samples(found.st_size):
                file.seek(offset)
                sha.update(file.read(length))
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror or error}).", "Check the file and its permissions.") from error
    return FileIdentity(str(path.absolute()), found.st_size, found.st_mtime_ns, sha.hexdigest())


def _samples(size: int) -> Iterator[tuple[int, int]]:
    """Yield the offsets and lengths of the parts that are hashed."""
    if size <= _WHOLE:
        yield 0, size
        return
    yield 0, _END
    step = (size - 2 * _END) / _BLOCKS
    for number in range(_BLOCKS):
        yield int(_END + number * step), _BLOCK
    yield size - _END, _END


@cache
def package_versions() -> Mapping[str, str]:
    """Return the versions of what influences the bytes: livebg with a hash of its code, libraries, FFmpeg and the platform.

    ``kernels`` is ``native`` or ``NumPy``. A package that is not installed is left out.
    """
    installed = {name: metadata.version(name) for name in _LIBRARIES if any(metadata.distributions(name=name))}
    ffmpeg = {name: ".".join(map(str, number)) for name, number in av.library_versions.items() if name != "libavdevice"}
    return {
        "livebg": f"{livebg.__version__}+{_code_hash()[:12]}",
        **installed,
        **ffmpeg,
        "kernels": kernel_status().implementation,
        "platform": f"{platform.system()} {platform.machine()}",
    }


def _code_hash() -> str:
    """Return a hash of livebg's modules without those that are not installed: a clone changes without a new version number."""
    root = Path(livebg.__file__).parent
    sha = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*.py") if path.relative_to(root).parts[0] != "lab"):
        content = path.read_bytes()
        sha.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return sha.hexdigest()


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that the bytes of a job depend on.

    ``inputs`` are the files that it reads, by their role: ``source``, ``background``, ``matte``. ``network`` is the name and the
    SHA-256 of the network; None without one. ``settings`` is a mapping, nested or not, of everything else that influences bytes:
    settings, options, the format of the input. ``segments`` are all parts, ``duration`` is their length in seconds, and
    ``origin`` the time of the source's beginning in ticks of the segments; both are for messages. ``track`` is the result of the
    analysis pass, as JSON data; it follows from the rest, so it does not count when manifests are compared.
    """

    inputs: Mapping[str, FileIdentity]
    network: tuple[str, str] | None
    settings: Mapping[str, Any]
    segments: tuple[Segment, ...]
    duration: float
    origin: int = 0
    versions: Mapping[str, str] = field(default_factory=package_versions)
    track: Any = None

    def as_json(self) -> dict[str, Any]:
        """Return the manifest as JSON data. Raises ValueError if the settings hold something that is not data."""
        content: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return content

    @staticmethod
    def from_json(content: Any) -> "Manifest":
        """Return the manifest of :meth:`as_json`. Raises ValueError."""
        try:
            return _adapter().validate_python(content)
        except ValidationError as error:
            raise ValueError(f"not a manifest: {error.error_count()} errors") from error

    @property
    def digest(self) -> str:
        """The SHA-256 of the manifest, with the track. Every finished segment refers to it."""
        return digest(self.as_json())

    def changes(self, new: "Manifest") -> list[str]:
        """Return clauses on what differs in ``new``; empty if finished segments can be used again."""
        before, after = (replace(each, track=None, inputs=_unplaced(each.inputs)).as_json() for each in (self, new))
        if canonical(before) == canonical(after):
            return []
        clauses = [*_input_changes(self.inputs, new.inputs), *_network_changes(self.network, new.network)]
        for part in ("settings", "versions"):
            differences = _differences(dict(_flat(before[part])), dict(_flat(after[part])))
            clauses += [f"{part} changed: {listed(differences, _SHOWN)}"] if differences else []
        return clauses or ["the segments changed"]

    @property
    def length(self) -> float:
        """The length of all segments, in seconds: at least that of those with an end, if ``duration`` is wrong or unknown."""
        return self.seconds([each.index for each in self.segments])

    def seconds(self, indexes: Collection[int]) -> float:
        """Return the total length of some segments, in seconds."""
        begins = {each.index: max(each.begin, self.origin) for each in self.segments}
        bounded = [each for each in self.segments if each.end is not None]
        lengths = {each.index: float(((each.end or 0) - begins[each.index]) * each.time_base) for each in bounded}
        rest = max(0.0, self.duration - sum(lengths.values()))
        return sum(lengths.get(each.index, rest) for each in self.segments if each.index in indexes)

    def describe(self, index: int) -> str:
        """Return the name of a segment for messages: ``Segment 3 (0:30 to 0:40)``."""
        for each in self.segments:
            if each.index == index:
                begin = format_time(float((each.begin - self.origin) * each.time_base))
                end = "the end" if each.end is None else format_time(float((each.end - self.origin) * each.time_base))
                return f"Segment {index} ({begin} to {end})"
        return f"Segment {index}"


@cache
def _adapter() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)


def _unplaced(inputs: Mapping[str, FileIdentity]) -> dict[str, FileIdentity]:
    return {role: replace(identity, path="") for role, identity in inputs.items()}


def _input_changes(before: Mapping[str, FileIdentity], after: Mapping[str, FileIdentity]) -> Iterator[str]:
    for role in sorted({*before, *after}):
        old, new = before.get(role), after.get(role)
        if old is None or new is None:
            yield f"the {role} {'was added' if old is None else 'was left out'}"
        elif replace(old, path=new.path) != new:
            same = Path(old.path).name == Path(new.path).name
            yield f"the {role} {new.path} was modified" if same else f"the {role} is {new.path} instead of {old.path}"


def _network_changes(before: tuple[str, str] | None, after: tuple[str, str] | None) -> Iterator[str]:
    if before is None or after is None:
        if before != after:
            yield "the network was added" if before is None else "the network was left out"
    elif before != after:
        same = before[0] == after[0]
        yield f"the network {after[0]} was modified" if same else f"the network is {after[0]} instead of {before[0]}"


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a nested mapping with dotted names. An empty mapping is a value."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    texts = [{key: canonical(value) for key, value in each.items()} for each in (before, after)]
    keys = sorted(key for key in {*before, *after} if texts[0].get(key) != texts[1].get(key))
    return [f"{key} {_shown(before, key)} to {_shown(after, key)}" for key in keys]


def _shown(values: Mapping[str, Any], key: str) -> str:
    if key not in values:
        return "unset"
    value = values[key]
    text = "none" if value is None else value if isinstance(value, str) and value else json.dumps(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."

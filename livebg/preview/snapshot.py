"""One picture of what calls see, as a file."""

import time
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Final

from PIL import Image

from livebg.errors import ConfigError, SourceError
from livebg.imaging.frame import i420_to_rgb
from livebg.preview.client import Picture, PreviewChannel, Seen
from livebg.sinks.atomic_file import PartFile, writing

KINDS: Final = MappingProxyType({".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"})
"""What is written, by the file's ending."""
_QUALITY: Final = 95
"""Of JPEG and WebP."""


def snapshot(
    path: Path, connect: Callable[[], PreviewChannel], *, alpha: bool = False, overwrite: bool = False, patience: float = 10.0
) -> Seen:
    """Writes what calls see, or with ``alpha`` the matte in grey, 255 = foreground, to ``path``; tells what was seen.

    ``connect`` opens a channel, or raises what that raises; ``patience`` is that of :func:`take`, in seconds. Raises
    :class:`~livebg.errors.ConfigError` and :class:`~livebg.errors.SinkError` for a path that cannot be, before livebg is asked,
    and as :func:`take` does; then nothing is left behind.
    """
    kind = _kind(path)
    file = PartFile(path, overwrite=overwrite)
    try:
        with connect() as channel:
            picture, seen = take(channel, "alpha" if alpha else "composite", patience)
        image = Image.fromarray(picture.luma if alpha else i420_to_rgb(picture.data, picture.color, picture.size))
        with writing(path):
            image.save(file.part, kind, quality=_QUALITY)
    except BaseException:
        file.discard()
        raise
    file.keep()
    return seen


def take(
    channel: PreviewChannel, view: str, patience: float = 10.0, clock: Callable[[], float] = time.monotonic
) -> tuple[Picture, Seen]:
    """The first live picture of ``view``, waited for up to ``patience`` seconds, since livebg may sleep; else the placeholder.

    What was seen comes with its status. Raises :class:`~livebg.errors.SourceError` when there is no such picture, and as
    :meth:`~livebg.preview.client.PreviewChannel.look` does.
    """
    deadline = clock() + patience
    while True:
        seen = channel.look([view], status=True)
        if view in seen.pictures and not seen.placeholder:
            return seen.pictures[view], seen
        if clock() >= deadline or _will_not_change(seen):
            break
    if view not in seen.pictures:
        raise SourceError(_missing(view, seen))
    return seen.pictures[view], seen


def _kind(path: Path) -> str:
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        found = f"ends in {path.suffix}" if path.suffix else "has no ending"
        raise ConfigError(f"{path} {found}, which is no kind of picture that can be taken: name it .png, .jpg or .webp")
    return kind


def _will_not_change(seen: Seen) -> bool:
    """Whether waiting is in vain: it is the user who has paused, or switched the effect off, which takes no matte."""
    status = seen.status
    if status is None:
        return False
    return status.state == "paused" or (status.mode == "none" and not seen.placeholder and seen.number is not None)


def _missing(view: str, seen: Seen) -> str:
    status = seen.status
    what = "matte" if view == "alpha" else "picture"
    if status is None:
        return f"livebg shows no {what} at the moment: try again"
    if status.mode == "none" and status.state == "live":
        return f"there is no {what} while the effect is off: say `livebg on` first"
    reason = f" ({status.reason})" if status.reason else ""
    return f"there is no {what} to take, since livebg is {status.state}{reason}: try again when it is live"

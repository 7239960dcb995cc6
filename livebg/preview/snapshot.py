"""Saves one frame of the camera output as an image file."""

import time
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Final

from PIL import Image

from livebg.errors import ConfigError, SourceError
from livebg.imaging.frame import i420_to_rgb
from livebg.preview.client import PreviewClient, PreviewFrame, PreviewPicture
from livebg.sinks.atomic_file import AtomicFile, writing

KINDS: Final = MappingProxyType({".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"})
"""Image formats by file suffix."""
_QUALITY: Final = 95
"""Quality of JPEG and WebP, 1 to 100."""


def snapshot(
    path: Path, connect: Callable[[], PreviewClient], *, alpha: bool = False, overwrite: bool = False, timeout: float = 10.0
) -> PreviewFrame:
    """Save the current output frame, or with ``alpha`` the matte in grayscale (255 = foreground), to ``path``; return the frame.

    ``connect`` opens a channel and may raise its errors. ``timeout`` is the timeout of :func:`take` in seconds. Raises
    :class:`~livebg.errors.ConfigError` or :class:`~livebg.errors.SinkError` for an invalid path before connecting, and the
    errors of :func:`take`. On an error no file is left behind.
    """
    image_format = KINDS.get(path.suffix.lower())
    if image_format is None:
        found = f"has the suffix {path.suffix}" if path.suffix else "has no suffix"
        raise ConfigError(f"{path} {found}.", "Use .png, .jpg or .webp.")
    file = AtomicFile(path, overwrite=overwrite)
    try:
        with connect() as channel:
            picture, seen = take(channel, "alpha" if alpha else "composite", timeout)
        image = Image.fromarray(picture.luma if alpha else i420_to_rgb(picture.data, picture.color, picture.size))
        with writing(path):
            image.save(file.part, image_format, quality=_QUALITY)
    except BaseException:
        file.rollback()
        raise
    file.commit()
    return seen


def take(
    channel: PreviewClient, view: str, timeout: float = 10.0, clock: Callable[[], float] = time.monotonic
) -> tuple[PreviewPicture, PreviewFrame]:
    """Return the first live picture of ``view`` and its frame with status, or the placeholder after ``timeout`` seconds.

    It waits because livebg may have to wake the camera first. Raises :class:`~livebg.errors.SourceError` if there is no picture,
    and the errors of :meth:`~livebg.preview.client.PreviewClient.next_frame`.
    """
    deadline = clock() + timeout
    while True:
        seen = channel.next_frame([view], status=True)
        is_live = view in seen.pictures and not seen.placeholder
        if is_live or clock() >= deadline or _is_final(seen):
            break
    if view not in seen.pictures:
        raise SourceError(_missing_message(view, seen))
    return seen.pictures[view], seen


def _is_final(seen: PreviewFrame) -> bool:
    """Return whether waiting is pointless: the user paused the camera, or switched the effect off, so there is no matte."""
    effect_off = seen.status is not None and seen.status.mode == "none" and not seen.placeholder and seen.number is not None
    return effect_off or (seen.status is not None and seen.status.state == "paused")


def _missing_message(view: str, seen: PreviewFrame) -> str:
    status = seen.status
    what = "matte" if view == "alpha" else "picture"
    if status is None:
        return f"livebg sends no {what} at the moment. Try again."
    if status.mode == "none" and status.state == "live":
        return f"There is no {what} while the effect is off. Run `livebg on` first."
    reason = f" ({status.reason})" if status.reason else ""
    return f"No {what} available: livebg is {status.state}{reason}. Try again when it is live."

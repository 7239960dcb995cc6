"""What becomes of each stream of an input: rendered, copied, made anew by the muxer, or refused."""

import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream

from livebg.errors import SourceError
from livebg.sources.av_compat import opened
from livebg.sources.video_file import is_cover, main_video


@dataclass(frozen=True, slots=True)
class Inventory:
    """The streams of an input by what becomes of them; ``refused`` holds the reason for each, ready to print."""

    video: av.VideoStream | None = None
    copied: list[Stream] = field(default_factory=list)
    covers: list[Stream] = field(default_factory=list)
    attachments: list[Stream] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def open_input(path: Path) -> InputContainer:
    """Open a file for copying from it; raises :class:`~livebg.errors.SourceError` when that cannot be."""
    try:
        return opened(str(path.absolute()))
    except (av.FFmpegError, OSError) as error:
        raise SourceError(f"the input {path} cannot be opened: {error.strerror}") from error


def take_inventory(source: InputContainer, container: str) -> Inventory:
    """Sort the streams of ``source`` for an output in ``container`` (libav's name)."""
    result = Inventory(main_video(source))
    for stream in source.streams:
        if stream is result.video or _is_made_anew(stream):
            continue
        reasons = list(_objections(stream, container))
        if reasons:
            result.refused.append(f"{_name(stream)} {reasons[0]}")
        elif stream.type == "video":
            result.covers.append(stream)
        elif stream.type == "attachment":
            result.attachments.append(stream)
        else:
            result.copied.append(stream)
    return result


def _objections(stream: Stream, container: str) -> Iterator[str]:
    if stream.type == "video" and not is_cover(stream):
        yield "is another video and would show the room as it is"
    if stream.disposition & Disposition.timed_thumbnails:
        yield "holds pictures of the room as it is"
    # The Matroska muxer takes any picture as an attachment; MOV and WebM would drop it without a word.
    fits = container == "matroska" or (container == "mp4" and _fits(stream, container))
    if not (fits if stream.type == "video" else _fits(stream, container)):
        yield f"does not go into {'Matroska' if container == 'matroska' else container.upper()}"


def _is_made_anew(stream: Stream) -> bool:
    """Whether the muxer makes the stream itself: MP4's text track of chapters, and the timecode track."""
    chapters = stream.name == "bin_data" and stream.discard is Discard.all
    return stream.type == "data" and (chapters or (stream.name is None and "timecode" in stream.metadata))


def _fits(stream: Stream, container: str) -> bool:
    """Whether the container takes the stream, found out by writing a header into memory."""
    with closing(av.open(io.BytesIO(), "w", format=container)) as probe:
        try:
            target = probe.add_stream_from_template(stream, opaque=True)
            target.disposition = stream.disposition
            probe.start_encoding()
        except (ValueError, av.FFmpegError):
            return False
    return True


def _name(stream: Stream) -> str:
    codec = stream.codec_context.name if stream.codec_context is not None else stream.name
    details = ", ".join(part for part in (codec, stream.language) if part)
    return f"{stream.type} stream {stream.index}{f' ({details})' if details else ''}"

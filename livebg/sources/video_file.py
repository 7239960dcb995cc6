"""Opening a video file, and saying in a sentence why it cannot be."""

import stat
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from livebg.errors import SourceError
from livebg.sources.av_compat import opened

_NOT_VIDEO: Final = frozenset({"tty", "bin", "xbin", "idf", "adf", "txt"})
"""Formats under which FFmpeg takes any text for a film of a terminal."""


def open_video(path: Path, threads: int = 0) -> tuple[InputContainer, VideoStream]:
    """Open a file and pick its main video stream; ``threads`` is for the decoder, 0 = as it sees fit.

    Raises :class:`~livebg.errors.SourceError`, and then leaves nothing open.
    """
    _require_file(path)
    container = _open(path)
    try:
        return container, _main_video(path, container, threads)
    except SourceError:
        container.close()
        raise


def is_cover(stream: Stream) -> bool:
    """Whether a video stream is a still picture on the cover."""
    return bool(stream.disposition & Disposition.attached_pic)


def main_video(container: InputContainer) -> VideoStream | None:
    """The stream that is rendered: libav's best that moves, else the first that does, None where nothing moves.

    Whoever copies the other streams must ask here too, or the room goes along as it is.
    """
    moving = [stream for stream in container.streams.video if not is_cover(stream)]
    best = container.streams.best("video")
    return next((stream for stream in moving if best and stream.index == best.index), moving[0] if moving else None)


def _require_file(path: Path) -> None:
    try:
        mode = path.stat()
    except PermissionError as error:
        raise SourceError(f"{path} may not be read by this user: change the permissions of the file or its folder") from error
    except OSError as error:
        raise SourceError(f"{path} does not exist: give the path of a video file") from error
    if stat.S_ISDIR(mode.st_mode):
        raise SourceError(f"{path} is a folder where a video file is expected: name a file in it")
    if not stat.S_ISREG(mode.st_mode):
        raise SourceError(f"{path} is not a regular file: give the path of a video file")
    if mode.st_size == 0:
        raise SourceError(f"{path} is empty: give a video file that was written to its end")


def _open(path: Path) -> InputContainer:
    try:
        # The prefix keeps a colon in a name from being read as a protocol, the whitelist a playlist from reaching the network.
        container = opened(f"file:{path}", {"protocol_whitelist": "file"})
    except av.error.PermissionError as error:
        raise SourceError(f"{path} may not be read by this user: change the permissions of the file") from error
    except av.error.FFmpegError as error:
        raise _not_a_video(path) from error
    if container.format.name in _NOT_VIDEO:
        container.close()
        raise _not_a_video(path)
    return container


def _not_a_video(path: Path) -> SourceError:
    return SourceError(f"{path} cannot be read as a video: it is another kind of file, damaged, or was never written to its end")


def _main_video(path: Path, container: InputContainer, threads: int) -> VideoStream:
    stream = main_video(container)
    if stream is None:
        found = "only sound" if container.streams.audio else "no stream that livebg knows"
        raise SourceError(f"{path} has no video stream, it holds {found}: give a file with moving pictures")
    unknown = SourceError(f"{path} is coded in a way that this build of FFmpeg cannot decode: convert it to H.264 first")
    if stream.codec_context is None or not stream.time_base:
        raise unknown
    stream.codec_context.thread_type = "AUTO"
    stream.codec_context.thread_count = threads
    try:
        stream.codec_context.open()
    except av.error.FFmpegError as error:
        raise unknown from error
    return stream

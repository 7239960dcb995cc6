"""Opens video files and explains in one sentence why a file cannot be opened."""

import stat
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from livebg.errors import SourceError
from livebg.sources.av_compat import open_input

_NOT_VIDEO: Final = frozenset({"tty", "bin", "xbin", "idf", "adf", "txt"})
"""FFmpeg formats that accept any text file as terminal art."""


def open_video(path: Path, threads: int = 0) -> tuple[InputContainer, VideoStream]:
    """Open a file and select its main video stream; ``threads`` is the number of decoder threads, 0 = automatic.

    Only packets of that stream are read: libav loses the pictures beside a damaged packet of another one.
    Raises :class:`~livebg.errors.SourceError` and then leaves nothing open.
    """
    _require_file(path)
    container = _open(path)
    try:
        video = _main_video(path, container, threads)
    except SourceError:
        container.close()
        raise
    for stream in container.streams:
        stream.discard = Discard.default if stream.index == video.index else Discard.all
    return container, video


def is_cover(stream: Stream) -> bool:
    """Return whether a video stream is a cover picture."""
    return bool(stream.disposition & Disposition.attached_pic)


def main_video(container: InputContainer) -> VideoStream | None:
    """Return the stream to process, or None: no cover, and decodable if possible; of several, libav's best one or the first.

    Code that copies the other streams must use this function as well, or it would copy the unprocessed video.
    """
    videos = [stream for stream in container.streams.video if not is_cover(stream)]
    videos = [stream for stream in videos if stream.codec_context is not None] or videos
    best = container.streams.best("video")
    return next((stream for stream in videos if best and stream.index == best.index), videos[0] if videos else None)


def _require_file(path: Path) -> None:
    try:
        mode = path.stat()
    except PermissionError as error:
        raise SourceError(f"{path} cannot be read by this user.", "Change the permissions of the file or its folder.") from error
    except OSError as error:
        raise SourceError(f"{path} does not exist.", "Give the path of a video file.") from error
    if stat.S_ISDIR(mode.st_mode):
        raise SourceError(f"{path} is a folder, not a video file.", "Name a file in it.")
    if not stat.S_ISREG(mode.st_mode):
        raise SourceError(f"{path} is not a regular file.", "Give the path of a video file.")
    if mode.st_size == 0:
        raise SourceError(f"{path} is empty.", "Give a complete video file.")


def _open(path: Path) -> InputContainer:
    try:
        # The prefix prevents a colon from being parsed as a protocol; the whitelist keeps playlists off the network.
        container = open_input(f"file:{path}", {"protocol_whitelist": "file"})
    except av.error.PermissionError as error:
        raise SourceError(f"{path} cannot be read by this user.", "Change the permissions of the file.") from error
    except av.error.FFmpegError as error:
        raise _not_a_video(path) from error
    if container.format.name in _NOT_VIDEO:
        container.close()
        raise _not_a_video(path)
    return container


def _not_a_video(path: Path) -> SourceError:
    return SourceError(f"{path} cannot be read as a video.", "Check that it is a complete video file.")


def _main_video(path: Path, container: InputContainer, threads: int) -> VideoStream:
    stream = main_video(container)
    if stream is None:
        content = "only sound" if container.streams.audio else "no stream that livebg can read"
        raise SourceError(f"{path} has no video stream; it holds {content}.", "Give a file with video.")
    undecodable = SourceError(f"{path} uses a codec that this build of FFmpeg cannot decode.", "Convert it to H.264 first.")
    if stream.codec_context is None or not stream.time_base:
        raise undecodable
    stream.codec_context.thread_type = "AUTO"
    stream.codec_context.thread_count = threads
    try:
        stream.codec_context.open()
    except av.error.FFmpegError as error:
        raise undecodable from error
    return stream

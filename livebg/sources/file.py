"""A video file as a source of frames."""

import math
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Final

import av

from livebg.errors import ConfigError, SourceError
from livebg.imaging.frame import Frame, VideoFormat
from livebg.interfaces import Source
from livebg.sources.decoder import Decoder
from livebg.sources.normalizer import Normalizer
from livebg.sources.truncation import is_truncated, truncated_at

_TOLERANCE_S: Final = Fraction(1, 2000)
"""Seconds. Times on the command line are in milliseconds, frame times are not."""
_SEEK_MARGINS_S: Final = (Fraction(1), Fraction(10))
"""Seconds before the requested time at which to seek to a key frame; if all fail, decode from the start of the file."""

Picture = tuple[av.VideoFrame, int]
"""A decoded picture and its pts."""


class FileSource(Source):
    """Every frame of a video file once, upright, 8-bit I420, with its own pts in the stream's ``time_base``.

    A :class:`~livebg.interfaces.Source`. ``start`` and ``end`` are seconds from the file's start, as players show them. Yields
    the frames with ``start <= time < end``, pts unchanged. ``threads`` is the number of decoder and filter threads, 0 =
    automatic. ``select`` receives the pts of each of them, in order, and returns whether to convert and yield it.

    The constructor decodes the first frame, so ``format`` describes the actual frames. It raises
    :class:`~livebg.errors.SourceError` if the file cannot be read, has no frame in the range, or is truncated before ``end``, and
    :class:`~livebg.errors.ConfigError` for an invalid range. Iterating raises ``SourceError`` if reading fails for good; single
    damaged packets are skipped and counted in ``notes``.
    """

    def __init__(
        self,
        path: Path,
        start: float | None = None,
        end: float | None = None,
        threads: int = 0,
        *,
        select: Callable[[int], bool] | None = None,
    ) -> None:
        self.path = path
        self._select = select
        self._threads = threads
        self._start = _validated_time("--start", start) or Fraction(0)
        self._end = _validated_time("--end", end)
        if self._end is not None and self._end <= self._start:
            raise ConfigError(
                f"The range ends at {_format_seconds(self._end)} but starts at {_format_seconds(self._start)}.",
                "Set --end to a later time than --start.",
            )
        self._lock = threading.Lock()
        self._closed = self._seeked = False
        self._decoder = Decoder(path, threads)
        with ExitStack() as opened:
            opened.callback(lambda: self._decoder.close())  # late binding: _find_first can replace it
            self._require_complete()
            self._pictures, first = self._find_first()
            decoder = self._decoder
            self._normaliser = Normalizer(
                first[0], decoder.time_base, decoder.rate, Fraction(decoder.stream.sample_aspect_ratio or 1), threads
            )
            self._frames = self._iterate(first)
            opened.pop_all()

    @property
    def format(self) -> VideoFormat:
        return self._normaliser.format

    @property
    def time_base(self) -> Fraction:
        """Seconds per pts tick."""
        return self._decoder.time_base

    @property
    def duration(self) -> float | None:
        """The length of the range in seconds according to the container, or None; only for progress bars."""
        total = self._decoder.duration
        until = self._end if total is None else min(total, self._end or total)
        return None if until is None else max(0.0, float(until - self._start))

    @property
    def frame_estimate(self) -> int | None:
        """The approximate number of frames, or None; only for progress bars."""
        whole = self._start == 0 and self._end is None
        if whole and self._decoder.frames:
            return self._decoder.frames
        seconds = self.duration
        return None if seconds is None else round(seconds * self._decoder.rate)

    @property
    def notes(self) -> tuple[str, ...]:
        """Clauses on conversions and on damage in the file; complete after the last frame."""
        decoder = self._decoder
        clauses = (
            _count_note(0 if self._seeked else decoder.leading, "packet", "skipped {} at the start that cannot be decoded"),
            _count_note(decoder.undecodable, "packet", "skipped {} that cannot be decoded"),
            _count_note(decoder.damaged, "frame", "{} decoded with errors"),
            _count_note(decoder.timestamps.corrected, "timestamp", "corrected {}, missing or out of order"),
        )
        return (*self._normaliser.notes, *filter(None, clauses))

    def __iter__(self) -> Iterator[Frame]:
        while True:
            # Another thread may call close(), which must not free libav's state during a read.
            with self._lock:
                frame = None if self._closed else next(self._frames, None)
            if frame is None:
                return
            yield frame

    def close(self) -> None:
        """Release the file. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._frames.close()
            self._pictures.close()
            self._decoder.close()

    def _iterate(self, first: Picture) -> Generator[Frame, None, None]:
        try:
            for picture, pts in chain([first], self._pictures):
                if self._end is not None and self._time(pts) >= self._end - _TOLERANCE_S:
                    break
                if self._select is None or self._select(pts):
                    yield from self._normaliser.push(picture, pts)
            yield from self._normaliser.flush()
        except av.error.FFmpegError as error:
            raise SourceError(
                f"A picture of {self.path} cannot be converted to I420 ({error}).", "Convert the file to H.264 first."
            ) from error
        broken_at = self._decoder.broken_at
        if broken_at is not None and (self._end is None or self._time(broken_at) < self._end - _TOLERANCE_S):
            raise self._truncation_error(math.floor(self._time(broken_at) * 1000) / 1000)

    def _require_complete(self) -> None:
        if is_truncated(self.path):
            at = truncated_at(self.path)
            if self._end is None or self._end > at + _TOLERANCE_S:
                raise self._truncation_error(at)

    def _truncation_error(self, at: float) -> SourceError:
        if at <= 0:
            return SourceError(f"{self.path} is truncated within its first frame.", "Copy it again.")
        return SourceError(
            f"{self.path} is truncated at {at:.3f} s.", f"Copy it again, or process the complete part with --end {at:.3f}."
        )

    def _time(self, pts: int) -> Fraction:
        """Return the time of ``pts`` in seconds on the file's timeline."""
        return pts * self._decoder.time_base - self._decoder.origin

    def _find_first(self) -> tuple[Generator[Picture, None, None], Picture]:
        """Find the first picture of the range: seek to a key frame before it, else decode from the start of the file."""
        targets = [self._start - margin for margin in _SEEK_MARGINS_S if margin < self._start]
        for target in (*targets, None):
            if self._seeked:
                self._decoder.close()
                self._decoder = Decoder(self.path, self._threads)
            self._seeked = target is not None
            if target is None or self._decoder.seek(target + self._decoder.origin):
                pictures = self._decoder.pictures()
                first = self._reach_start(pictures)
                if first:
                    return pictures, first
        raise SourceError(f"No picture in {self.path} can be decoded.", "Get an undamaged copy of the file.")

    def _reach_start(self, pictures: Generator[Picture, None, None]) -> Picture | None:
        """Return the first picture at or after the start; None if there is no picture or the seek went too far."""
        time: Fraction | None = None
        for picture, pts in pictures:
            landed, time = time is None, self._time(pts)
            if self._seeked and landed and time > self._start + _TOLERANCE_S:
                return None
            if self._end is not None and time >= self._end - _TOLERANCE_S:
                raise SourceError(
                    f"{self.path} has no frame between {_format_seconds(self._start)} and {_format_seconds(self._end)}.",
                    "Widen the range.",
                )
            if time >= self._start - _TOLERANCE_S:
                return picture, pts
        if time is not None:
            raise SourceError(
                f"The last frame of {self.path} is at {_format_seconds(time)}, before --start {_format_seconds(self._start)}.",
                "Set an earlier --start.",
            )
        return None


def _validated_time(option: str, value: float | None) -> Fraction | None:
    if value is None:
        return None
    if not math.isfinite(value) or value < 0:
        raise ConfigError(f"{option} is {value}.", "Give a time in seconds from the start of the file, 0 or more.")
    return Fraction(value).limit_denominator(1_000_000)


def _format_seconds(seconds: Fraction) -> str:
    return f"{float(seconds):.3f} s"


def _count_note(count: int, noun: str, clause: str) -> str:
    """Return the clause with the count; empty for 0."""
    return clause.format(f"{count} {noun}" if count == 1 else f"{count} {noun}s") if count else ""

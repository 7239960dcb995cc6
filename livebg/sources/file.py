"""A video file as a source of frames."""

import math
import threading
from collections.abc import Generator, Iterator
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
from livebg.sources.normalizer import Normaliser
from livebg.sources.truncation import breaks_off_at, is_cut_short

_TOLERANCE: Final = Fraction(1, 2000)
"""Seconds. People give times in milliseconds, frames lie between them."""
_SEEK_MARGINS: Final = (Fraction(1), Fraction(10))
"""Seconds before the wanted time at which to look for a key frame; then the file is decoded from its front."""

Picture = tuple[av.VideoFrame, int]
"""A decoded picture and its pts."""


class FileSource(Source):
    """Every frame of a video file once, upright, 8-bit I420, with its own pts in the stream's ``time_base``.

    A :class:`~livebg.interfaces.Source`. ``start`` and ``end`` are seconds from the file's start, as players show them; frames
    with ``start <= time < end`` are yielded, their pts untouched. ``threads`` is for the decoder and the filters, 0 = as
    they see fit.

    The constructor decodes the first frame, so that ``format`` is what really comes. It raises
    :class:`~livebg.errors.SourceError` when the file cannot be read, holds no frame in the range, or is cut short before
    ``end``, and :class:`~livebg.errors.ConfigError` for a range that cannot be. Iterating raises ``SourceError`` when reading
    breaks off for good; single damaged packets are skipped and counted in ``notes``.
    """

    def __init__(self, path: Path, start: float | None = None, end: float | None = None, threads: int = 0) -> None:
        self.path = path
        self._threads = threads
        self._start = _seconds("--start", start) or Fraction(0)
        self._end = _seconds("--end", end)
        if self._end is not None and self._end <= self._start:
            raise ConfigError(
                f"the range ends at {_clock(self._end)} but starts at {_clock(self._start)}: give an --end after --start"
            )
        self._lock = threading.Lock()
        self._closed = self._sought = False
        self._decoder = Decoder(path, threads)
        with ExitStack() as opened:
            opened.callback(lambda: self._decoder.close())  # whichever it is by then
            self._require_whole()
            self._pictures, first = self._begin()
            decoder = self._decoder
            self._normaliser = Normaliser(
                first[0], decoder.time_base, decoder.rate, Fraction(decoder.stream.sample_aspect_ratio or 1), threads
            )
            self._frames = self._iterate(first)
            opened.pop_all()

    @property
    def format(self) -> VideoFormat:
        return self._normaliser.format

    @property
    def time_base(self) -> Fraction:
        """Seconds a tick of ``pts``."""
        return self._decoder.time_base

    @property
    def duration(self) -> float | None:
        """Seconds that the range spans according to the container, or None; for a progress bar alone."""
        total = self._decoder.duration
        until = self._end if total is None else min(total, self._end or total)
        return None if until is None else max(0.0, float(until - self._start))

    @property
    def frame_estimate(self) -> int | None:
        """About how many frames will come, or None; for a progress bar alone."""
        whole = self._start == 0 and self._end is None
        if whole and self._decoder.frames:
            return self._decoder.frames
        seconds = self.duration
        return None if seconds is None else round(seconds * self._decoder.rate)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the frames or is wrong with the file, as clauses for people; complete when iteration has ended."""
        decoder = self._decoder
        clauses = (
            _counted(0 if self._sought else decoder.leading, "packet", "skipped {} at the start, which cannot be decoded"),
            _counted(decoder.undecodable, "packet", "skipped {}, which cannot be decoded"),
            _counted(decoder.damaged, "frame", "{} decoded with errors"),
            _counted(decoder.corrected, "timestamp", "corrected {}, missing or out of order"),
        )
        return (*self._normaliser.notes, *filter(None, clauses))

    def __iter__(self) -> Iterator[Frame]:
        while True:
            # close() may come from another thread, and libav must not be left while it reads.
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
                if self._end is not None and self._time(pts) >= self._end - _TOLERANCE:
                    break
                yield from self._normaliser.push(picture, pts)
            yield from self._normaliser.flush()
        except av.error.FFmpegError as error:
            raise SourceError(
                f"a picture of {self.path} cannot be brought into shape ({error}): convert the file to H.264 first"
            ) from error
        broken_at = self._decoder.broken_at
        if broken_at is not None and (self._end is None or self._time(broken_at) < self._end - _TOLERANCE):
            raise self._broken_off(math.floor(self._time(broken_at) * 1000) / 1000)

    def _require_whole(self) -> None:
        if is_cut_short(self.path):
            at = breaks_off_at(self.path)
            if self._end is None or self._end > at + _TOLERANCE:
                raise self._broken_off(at)

    def _broken_off(self, at: float) -> SourceError:
        if at <= 0:
            return SourceError(f"{self.path} is cut short before its first frame ends: copy it again")
        return SourceError(
            f"{self.path} is cut short, it breaks off at {at:.3f} s: copy it again, or render what is there with --end {at:.3f}"
        )

    def _time(self, pts: int) -> Fraction:
        """Seconds on the file's own timeline."""
        return pts * self._decoder.time_base - self._decoder.origin

    def _begin(self) -> tuple[Generator[Picture, None, None], Picture]:
        """Find the first picture of the range: behind a key frame before it, or else from the front of the file."""
        for margin in _SEEK_MARGINS:
            target = self._start - margin
            if target <= 0:
                break
            self._sought = True
            if self._decoder.seek(target + self._decoder.origin):
                pictures = self._decoder.pictures()
                first = self._reach_start(pictures)
                if first:
                    return pictures, first
            self._decoder.close()
            self._decoder = Decoder(self.path, self._threads)
        self._sought = False
        pictures = self._decoder.pictures()
        first = self._reach_start(pictures)
        if not first:
            raise SourceError(f"no picture in {self.path} decodes: the file is damaged, or its end is all that was kept")
        return pictures, first

    def _reach_start(self, pictures: Generator[Picture, None, None]) -> Picture | None:
        """The first picture at or after the start; None when there is no picture, or the seek went too far."""
        time: Fraction | None = None
        for picture, pts in pictures:
            landed, time = time is None, self._time(pts)
            if self._sought and landed and time > self._start + _TOLERANCE:
                return None
            if self._end is not None and time >= self._end - _TOLERANCE:
                raise SourceError(
                    f"{self.path} has no frame between {_clock(self._start)} and {_clock(self._end)}: widen the range"
                )
            if time >= self._start - _TOLERANCE:
                return picture, pts
        if time is not None:
            raise SourceError(
                f"the last frame of {self.path} is at {_clock(time)}, before --start {_clock(self._start)}: start earlier"
            )
        return None


def _seconds(option: str, value: float | None) -> Fraction | None:
    if value is None:
        return None
    if not math.isfinite(value) or value < 0:
        raise ConfigError(f"{option} is {value}: give a time in seconds from the start of the file, 0 or more")
    return Fraction(value).limit_denominator(1_000_000)


def _clock(seconds: Fraction) -> str:
    return f"{float(seconds):.3f} s"


def _counted(count: int, noun: str, clause: str) -> str:
    """The clause with the count in it; empty for none."""
    return clause.format(f"{count} {noun}" if count == 1 else f"{count} {noun}s") if count else ""

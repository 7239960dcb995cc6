"""A video file as a source of frames."""

import math
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Final

import av

from livebg.errors import SourceError
from livebg.imaging.frame import Frame, VideoFormat
from livebg.interfaces import Source
from livebg.sources.damage import damage_notes
from livebg.sources.decoder import Decoder
from livebg.sources.normalizer import InputFormat, Normalizer
from livebg.sources.pre_roll import Picture, PreRoll
from livebg.sources.time_range import TimeRange, format_seconds
from livebg.sources.truncation import is_truncated, truncated_at

_SEEK_MARGINS_S: Final = tuple(map(Fraction, (1, 3, 10, 60)))
"""Seconds before the requested time at which to seek to a key frame; if all fail, decode from the start of the file. MPEG-TS can
seek to a picture after the key frame."""


class FileSource(Source):
    """Every frame of a video file once, upright, 8-bit I420, with its own pts in the stream's ``time_base``.

    A :class:`~livebg.interfaces.Source`. ``start`` and ``end`` are seconds from the file's start, as players show them. Yields
    the frames with ``start <= time < end``, pts unchanged. A frame has the same bytes in every range. ``threads`` is the number
    of decoder and filter threads, 0 = automatic. ``select`` receives the pts of each decoded picture in the range, in order, and
    returns whether it is converted and yielded.

    ``like`` makes this source one of several that share the work on one file: frames are converted to the ``input_format`` of the
    source that was opened first instead of that of the first frame, and a range without frames is no error.

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
        like: InputFormat | None = None,
        select: Callable[[int], bool] | None = None,
    ) -> None:
        self.path = path
        self._select = select
        self._threads = threads
        self._range = TimeRange.of(start, end)
        self._lock = threading.Lock()
        self._closed = False
        self._decoder = decoder = Decoder(path, threads)
        with ExitStack() as opened:
            opened.callback(lambda: self._decoder.close())  # late binding: _open_range can replace it
            self._first, self._end = self._range.ticks(decoder.time_base, decoder.origin)
            if like is None:
                self._require_complete()
            restarts = self._range.start > 0 and decoder.clock_restarts() if like is None else like.restarts
            self._pictures, pre_roll, first = self._open_range(can_seek=not restarts)
            if like is None:
                picture, _ = first = self._require_frame(first, pre_roll.last)
                like = replace(InputFormat.of(picture, decoder.rate, decoder.pixel_aspect), restarts=restarts)
            self.input_format = like
            self._normalizer = Normalizer(like, decoder.time_base, threads)
            self._frames = self._iterate(pre_roll.history, first)
            opened.pop_all()

    @property
    def format(self) -> VideoFormat:
        return self._normalizer.format

    @property
    def time_base(self) -> Fraction:
        """Seconds per pts tick."""
        return self._decoder.time_base

    @property
    def duration(self) -> float | None:
        """The length of the range in seconds according to the container, or None; only for progress bars."""
        total = self._decoder.duration
        until = self._range.end if total is None else min(total, self._range.end or total)
        return None if until is None else max(0.0, float(until - self._range.start))

    @property
    def frame_estimate(self) -> int | None:
        """The approximate number of frames, or None; only for progress bars."""
        if self._is_whole and self._decoder.frames:
            return self._decoder.frames
        seconds = self.duration
        return None if seconds is None else round(seconds * self._decoder.rate)

    @property
    def notes(self) -> tuple[str, ...]:
        """Clauses on conversions and on damage in the file; complete after the last frame."""
        counts = self._decoder.damage.counts(None if self._is_whole else self._first, self._end)
        return (*self.conversions, *damage_notes(counts))

    @property
    def conversions(self) -> tuple[str, ...]:
        """Clauses on conversions alone."""
        return self._normalizer.notes

    def damage(self, begin: int, end: int | None) -> dict[str, int]:
        """Count what was wrong with packets and pictures with ``begin <= time < end``, in ticks, by kind: see
        :class:`~livebg.sources.damage.DamageLog`. Complete after the last frame.
        """
        return self._decoder.damage.counts(begin, end)

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

    @property
    def _is_whole(self) -> bool:
        return self._range.start == 0 and self._range.end is None

    def _iterate(self, history: list[Picture], first: Picture | None) -> Generator[Frame, None, None]:
        if first is None:
            return
        try:
            yield from self._convert(history, first)
        except av.error.FFmpegError as error:
            raise SourceError(
                f"A picture of {self.path} cannot be converted to I420 ({error}).", "Convert the file to H.264 first."
            ) from error

    def _convert(self, history: list[Picture], first: Picture) -> Generator[Frame, None, None]:
        while history:
            for _ in self._normalizer.push(*history.pop(0)):
                pass  # a frame before the range
        for picture, pts in chain([first], self._pictures):
            is_after = self._end is not None and pts >= self._end
            if is_after and not self._normalizer.delays:
                return
            if is_after or self._select is None or self._select(pts):
                yield from (frame for frame in self._normalizer.push(picture, pts) if self._contains(frame.pts))
            if is_after:
                return
        yield from self._normalizer.flush()
        broken_at = self._decoder.broken_at
        if broken_at is not None and (self._end is None or broken_at < self._end):
            raise self._truncation_error(math.floor(self._time(broken_at) * 1000) / 1000)

    def _contains(self, pts: int) -> bool:
        return self._first <= pts and (self._end is None or pts < self._end)

    def _require_complete(self) -> None:
        if is_truncated(self.path):
            at = truncated_at(self.path)
            if self._range.ends_after(at):
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

    def _open_range(self, can_seek: bool) -> tuple[Generator[Picture, None, None], PreRoll, Picture | None]:
        """Find the range's first picture: seek to a key frame before it, else decode from the start of the file."""
        start = self._range.start
        targets = [start - margin for margin in _SEEK_MARGINS_S if margin < start and can_seek]
        for target in (*targets, None):
            decoder = self._decoder
            if target is None or decoder.seek(target + decoder.origin):
                pictures, pre_roll = decoder.pictures(), PreRoll(decoder, self._first)
                first = pre_roll.read(pictures)
                if not pre_roll.rejected:
                    break
            # A seek that failed may have moved as well.
            decoder.close()
            self._decoder = Decoder(self.path, self._threads)
        return pictures, pre_roll, first

    def _require_frame(self, first: Picture | None, last: int | None) -> Picture:
        """Return the range's first picture. ``last`` is the pts of the last one read."""
        if last is None:
            raise SourceError(f"No picture in {self.path} can be decoded.", "Get an undamaged copy of the file.")
        start = format_seconds(self._range.start)
        if self._range.end is not None and self._end is not None and last >= self._end:
            raise SourceError(
                f"{self.path} has no frame between {start} and {format_seconds(self._range.end)}.", "Widen the range."
            )
        if first is None:
            raise SourceError(
                f"The last frame of {self.path} is at {format_seconds(self._time(last))}, before --start {start}.",
                "Set an earlier --start.",
            )
        return first

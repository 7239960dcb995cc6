"""A video file as a sink: every composite at its own time, everything else copied from the input."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from livebg.errors import SinkError
from livebg.imaging.frame import ColorSpec, Composite, VideoFormat
from livebg.interfaces import Sink
from livebg.sinks.atomic_file import PartFile, writing
from livebg.sinks.codecs import Content, Encoding, plan_encoder
from livebg.sinks.muxer import VideoWriter
from livebg.sinks.stream_copy import OtherStreams, Window
from livebg.sinks.verify import Expected, verify


class FileSink(Sink):
    """Writes composites of ``format`` to the video file ``path``, with times that are whole multiples of ``time_base``.

    The container follows the ending (.mp4 .m4v .mov .mkv .webm). The other streams of ``copy_from``, the input, are copied
    byte by byte, with tags, chapters, covers and attachments. With ``start`` and ``end`` (seconds of the input's time) only what
    begins between them is copied, and everything moves so that ``start`` is 0. The file appears under its name in
    :meth:`close`, after it has been read back; until then, and for good after :meth:`abort` or any error, there is nothing.

    The constructor raises :class:`~livebg.errors.ConfigError` when ending, codec and content do not fit together,
    :class:`~livebg.errors.SourceError` when ``copy_from`` cannot be opened, and :class:`~livebg.errors.SinkError` when the
    output cannot be written, exists (unless ``overwrite``) or is the input, or when a stream can or should not go into it
    (unless ``drop_streams``). :attr:`notes` are short clauses for a summary.
    """

    def __init__(
        self,
        path: Path,
        format: VideoFormat,  # noqa: A002 - the word of the field
        time_base: Fraction,
        *,
        encoding: Encoding,
        copy_from: Path | None = None,
        start: float | None = None,
        end: float | None = None,
        drop_streams: bool = False,
        overwrite: bool = False,
    ) -> None:
        plan = plan_encoder(encoding, path)
        self._path = path
        self._content = encoding.content
        self._format = replace(format, color=ColorSpec(full_range=True)) if encoding.content is Content.MATTE else format
        self._time_base = time_base
        self._offset = None if start is None else Fraction(start)
        self._end = end
        self._ended = False
        self._time = float("-inf")
        self._notes = [plan.note] if plan.note else []
        self._part = PartFile(path, overwrite=overwrite, never=copy_from)
        self._others: OtherStreams | None = None
        self._writer: VideoWriter | None = None
        try:
            if copy_from is not None:
                self._others = OtherStreams(copy_from, path, plan.container, Window(start, end), drop=drop_streams)
            with writing(path):
                self._writer = VideoWriter(
                    self._part.part, plan, self._format, time_base, threads=encoding.threads, others=self._others
                )
        except BaseException:
            self._put_away()
            raise

    @property
    def notes(self) -> tuple[str, ...]:
        """Short clauses on what is not as in the input."""
        return (*self._notes, *(self._others.notes if self._others else ()))

    @property
    def frames(self) -> int:
        """How many composites have been written."""
        return len(self._writer.pts) if self._writer else 0

    def send(self, composite: Composite) -> None:
        """Write one composite; see :class:`livebg.interfaces.Sink`. After an error the sink has ended."""
        if self._ended or self._writer is None:
            raise SinkError(f"nothing more can be written to {self._path}: it has been closed")
        try:
            self._check(composite)
            if self._offset is None:
                self._offset = self._first_offset(composite)
            pts = self._ticks(composite)
            self._time = composite.time
            with writing(self._path):
                self._writer.copy_until(composite.time, self._offset)
                self._writer.write(composite, pts)
        except BaseException:
            self.abort()
            raise

    def close(self) -> None:
        """Complete the file, read it back and give it its name; raises SinkError, and leaves nothing, when it is not whole."""
        if self._ended or self._writer is None:
            return
        self._ended = True
        try:
            if not self._writer.pts:
                raise SinkError(
                    f"{self._path} has not been written: there was no picture to write; check the input and the times"
                )
            with writing(self._path):
                self._writer.copy_until(None, self._offset or Fraction(0))
                self._writer.finish(self._video_end())
            self._note_shape(verify(self._part.part, self._path, self._expected(self._writer.pts)))
            self._part.keep()
        finally:
            self._put_away()

    def abort(self) -> None:
        """Give the file up and leave nothing behind."""
        self._ended = True
        self._put_away()

    def _put_away(self) -> None:
        self._part.discard()  # first, so that the muxer does not rearrange a file that nobody wants
        if self._writer is not None:
            self._writer.discard()
        if self._others is not None:
            self._others.close()

    def _check(self, composite: Composite) -> None:
        if (composite.width, composite.height) != (self._format.width, self._format.height):
            wanted = f"{self._format.width}x{self._format.height}"
            raise SinkError(
                f"{self._path} takes {wanted} pixels, and a composite has {composite.width}x{composite.height}: keep one size"
            )
        if composite.color != self._format.color and self._content is not Content.MATTE:
            raise SinkError(f"{self._path} is tagged {self._format.color}, and a composite is {composite.color}: keep one colour")
        if composite.time <= self._time:
            found = f"a composite at {composite.time:.6f} s came after one at {self._time:.6f} s"
            raise SinkError(f"{self._path} cannot take {found}: times must increase")

    def _first_offset(self, composite: Composite) -> Fraction:
        """No container begins before zero: what does is moved, pictures and sound alike."""
        if composite.pts >= 0:
            return Fraction(0)
        offset = composite.pts * composite.time_base
        self._notes.append(f"all times moved by {float(-offset):.3f} s, since no container begins before zero")
        return offset

    def _ticks(self, composite: Composite) -> int:
        exact = composite.pts * composite.time_base / self._time_base
        if exact.denominator != 1:
            raise SinkError(f"{self._path} counts time in {self._time_base} s, and {composite.time:.6f} s is no multiple of it")
        return int(exact) - round((self._offset or Fraction(0)) / self._time_base)

    def _expected(self, pts: Sequence[int]) -> Expected:
        others = self._others
        if others is None:
            return Expected(pts, self._time_base)
        return Expected(pts, self._time_base, others.copied, others.pictures, others.attachments)

    def _note_shape(self, found: Fraction) -> None:
        wanted = self._format.sample_aspect_ratio
        if found != wanted:
            note = f"pixels tagged {found.numerator}:{found.denominator} and not {wanted.numerator}:{wanted.denominator}"
            self._notes.append(f"{note}, which this codec cannot say in {self._path.suffix}")

    def _video_end(self) -> int | None:
        end = self._others.video_end if self._others else None
        if end is None:
            return None
        clipped = end if self._end is None else min(end, Fraction(self._end))
        return round((clipped - (self._offset or Fraction(0))) / self._time_base)

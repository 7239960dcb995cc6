"""A video file as a sink: writes the composites and copies everything else from the input."""

from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from livebg.errors import SinkError
from livebg.imaging.frame import ColorSpec, Composite, VideoFormat
from livebg.interfaces import Sink
from livebg.sinks.atomic_file import AtomicFile, writing
from livebg.sinks.codecs import Content, Encoding, plan_encoder
from livebg.sinks.muxer import VideoWriter
from livebg.sinks.stream_copy import StreamCopier
from livebg.sinks.stream_selection import CopyOptions
from livebg.sinks.verify import verify


class FileSink(Sink):
    """Writes composites of ``format`` to the video file ``path``, with times that are multiples of ``time_base``.

    The extension selects the container (.mp4 .m4v .mov .mkv .webm). The other streams of ``copy_from``, the input, are copied
    unchanged, with tags, chapters, covers and attachments. With the start and end of ``copy_options``, only packets that begin
    between them are copied, and all times shift so that the start is 0. The file appears under its name in
    :meth:`close`, after it has been verified; before that, and after :meth:`abort` or any error, it does not exist.

    The constructor raises :class:`~livebg.errors.ConfigError` if extension, codec and content are incompatible,
    :class:`~livebg.errors.SourceError` if ``copy_from`` cannot be opened, and :class:`~livebg.errors.SinkError` if the output
    cannot be written, exists (unless ``overwrite``) or is the input, or if a stream cannot or must not be copied (see
    :class:`~livebg.sinks.stream_selection.CopyOptions`). :attr:`notes` are short clauses for a summary.
    """

    def __init__(
        self,
        path: Path,
        format: VideoFormat,  # noqa: A002 - the usual term
        time_base: Fraction,
        *,
        encoding: Encoding,
        copy_from: Path | None = None,
        copy_options: CopyOptions = CopyOptions(),  # noqa: B008 - immutable
        overwrite: bool = False,
    ) -> None:
        plan = plan_encoder(encoding, path)
        self._path = path
        self._content = encoding.content
        self._format = replace(format, color=ColorSpec(full_range=True)) if encoding.content is Content.MATTE else format
        self._time_base = time_base
        self._offset = None if copy_options.start is None else Fraction(copy_options.start)
        self._end = copy_options.end
        self._ended = False
        self._last_time = float("-inf")
        self._notes = [plan.note] if plan.note else []
        self._part_file = AtomicFile(path, overwrite=overwrite, not_same_as=copy_from)
        with ExitStack() as opening:
            opening.callback(self._part_file.rollback)
            self._other_streams: StreamCopier | None = None
            if copy_from is not None:
                self._other_streams = StreamCopier(copy_from, path, plan.container, copy_options)
                opening.callback(self._other_streams.close)
            with writing(path):
                self._writer = VideoWriter(
                    self._part_file.part, plan, self._format, time_base, threads=encoding.threads, others=self._other_streams
                )
            opening.pop_all()

    @property
    def notes(self) -> tuple[str, ...]:
        """Short clauses on differences from the input."""
        return (*self._notes, *(self._other_streams.notes if self._other_streams else ()))

    @property
    def frames(self) -> int:
        """The number of composites written."""
        return len(self._writer.pts)

    def send(self, composite: Composite) -> None:
        """Write one composite; see :class:`livebg.interfaces.Sink`. After an error the sink is closed."""
        if self._ended:
            raise SinkError(f"{self._path} is closed.", "Open it again to write more.")
        try:
            self._validate(composite)
            if self._offset is None:
                self._offset = self._first_offset(composite)
            pts = self._ticks(composite)
            self._last_time = composite.time
            with writing(self._path):
                self._writer.copy_until(composite.time, self._offset)
                self._writer.write(composite, pts)
        except BaseException:
            self.abort()
            raise

    def close(self) -> None:
        """Finish the file, verify it and give it its name. Raises SinkError if it is incomplete, and then leaves nothing
        behind.
        """
        if self._ended:
            return
        self._ended = True
        try:
            if not self._writer.pts:
                raise SinkError(
                    f"{self._path} was not written: there was no picture to write.", "Check the input, --start and --end."
                )
            with writing(self._path):
                self._writer.copy_until(None, self._offset or Fraction(0))
                self._writer.finish(self._video_end())
            pts, others = self._writer.pts, self._other_streams
            self._note_aspect_ratio(verify(self._part_file.part, self._path, pts, self._time_base, others))
            self._part_file.commit()
        finally:
            self._release()

    def abort(self) -> None:
        """Stop writing and leave nothing behind."""
        self._ended = True
        self._release()

    def _release(self) -> None:
        self._part_file.rollback()  # first, so that the muxer does not rewrite a discarded file
        self._writer.rollback()
        if self._other_streams is not None:
            self._other_streams.close()

    def _validate(self, composite: Composite) -> None:
        if (composite.width, composite.height) != (self._format.width, self._format.height):
            wanted = f"{self._format.width}x{self._format.height}"
            raise SinkError(
                f"{self._path} is {wanted}, but a composite is {composite.width}x{composite.height}. "
                "All composites must have one size."
            )
        if composite.color != self._format.color and self._content is not Content.MATTE:
            raise SinkError(
                f"{self._path} is tagged {self._format.color}, but a composite is {composite.color}. All must have one color."
            )
        if composite.time <= self._last_time:
            order = f"a composite at {composite.time:.6f} s followed one at {self._last_time:.6f} s"
            raise SinkError(f"Cannot write {self._path}: {order}. Times must increase.")

    def _first_offset(self, composite: Composite) -> Fraction:
        """Return the time shift for input that starts before zero, which no container supports; it moves pictures and sound
        alike.
        """
        if composite.pts >= 0:
            return Fraction(0)
        offset = composite.pts * composite.time_base
        self._notes.append(f"all times shifted by {float(-offset):.3f} s, because no container can begin before zero")
        return offset

    def _ticks(self, composite: Composite) -> int:
        exact = composite.pts * composite.time_base / self._time_base
        if exact.denominator != 1:
            raise SinkError(
                f"{composite.time:.6f} s is not a multiple of the time base {self._time_base} s of {self._path}.",
                "Please report this.",
            )
        return int(exact) - round((self._offset or Fraction(0)) / self._time_base)

    def _note_aspect_ratio(self, found: Fraction) -> None:
        wanted = self._format.sample_aspect_ratio
        if found != wanted:
            note = f"pixels tagged {found.numerator}:{found.denominator} and not {wanted.numerator}:{wanted.denominator}"
            self._notes.append(f"{note}, which this codec cannot store in {self._path.suffix}")

    def _video_end(self) -> int | None:
        end = self._other_streams.video_end if self._other_streams else None
        if end is None:
            return None
        clipped = end if self._end is None else min(end, Fraction(self._end))
        return round((clipped - (self._offset or Fraction(0))) / self._time_base)

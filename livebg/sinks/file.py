"""A video file as a sink: writes the composites and copies everything else from the input."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

from livebg.errors import SinkError
from livebg.imaging.frame import Composite, VideoFormat
from livebg.interfaces import Sink
from livebg.sinks.atomic_file import AtomicFile
from livebg.sinks.codecs import Content, Encoding, plan_encoder
from livebg.sinks.joiner import Joiner
from livebg.sinks.segment_file import SegmentWriter, written_format
from livebg.sinks.stream_selection import CopyOptions


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
        self._path, self._time_base, self._content = path, time_base, encoding.content
        self._format = written_format(format, encoding.content)
        self._ended = False
        self._last_time = float("-inf")
        self._joiner = Joiner(
            path, plan, self._format, time_base, copy_from=copy_from, copy_options=copy_options, overwrite=overwrite
        )
        with ExitStack() as opening:
            opening.callback(self._joiner.close)
            # Renamed never: it only holds the pictures until they are joined with the other streams.
            self._segment = AtomicFile(path, overwrite=overwrite, not_same_as=copy_from)
            opening.callback(self._segment.rollback)
            self._writer = SegmentWriter(self._segment.part, plan, self._format, time_base, shown_as=path)
            opening.pop_all()

    @property
    def notes(self) -> tuple[str, ...]:
        """Short clauses on differences from the input."""
        return self._joiner.notes

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
            pts = self._ticks(composite)
            self._last_time = composite.time
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
            self._writer.close()
            self._joiner.join([(self._segment.part, self._writer.pts)])
        finally:
            self._release()

    def abort(self) -> None:
        """Stop writing and leave nothing behind."""
        self._ended = True
        self._release()

    def _release(self) -> None:
        self._segment.rollback()
        self._writer.abort()
        self._joiner.close()

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

    def _ticks(self, composite: Composite) -> int:
        exact = composite.pts * composite.time_base / self._time_base
        if exact.denominator != 1:
            raise SinkError(
                f"{composite.time:.6f} s is not a multiple of the time base {self._time_base} s of {self._path}.",
                "Please report this.",
            )
        return int(exact)

"""Renders one video: divides it into segments, collects the rendered ones in the job directory, and joins them."""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.factory import build_encoding
from livebg.rendering.job_directory import JobDirectory
from livebg.rendering.jobs import Job, JobResult
from livebg.rendering.segment_task import SegmentResult, SegmentTask
from livebg.rendering.segments import plan_segments
from livebg.sinks.codecs import plan_encoder
from livebg.sinks.joiner import Joiner
from livebg.sinks.stream_selection import CopyOptions
from livebg.sources.file import FileSource
from livebg.sources.packet_index import index_packets


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """What the command line says about a render beside the settings.

    ``copy`` is the range, and what happens to the other streams. ``overwrite`` replaces existing outputs. ``fresh`` discards the
    segments of an interrupted run. ``consent`` turns the effect off.
    """

    copy: CopyOptions = CopyOptions()  # noqa: RUF009 - immutable
    overwrite: bool = False
    fresh: bool = False
    consent: Consent | None = None


class VideoRender:
    """One video that is being rendered.

    The constructor opens the input and reports everything that can be refused before the work begins:
    :class:`~livebg.errors.SourceError`, :class:`~livebg.errors.SinkError`, :class:`~livebg.errors.ConfigError`.
    """

    def __init__(self, job: Job, settings: Settings, options: RenderOptions) -> None:
        self.job = job
        self._begin = time.perf_counter()
        self._settings, self._options = settings, options
        start, end = options.copy.start, options.copy.end
        mode = settings.effect.mode if options.consent is None else "none"
        encoding = build_encoding(settings, mode)
        with FileSource(job.input, start, end, threads=1) as source, ExitStack() as opened:
            self._source_notes = source.notes
            self._joiner = Joiner(
                job.output,
                plan_encoder(encoding, job.output),
                source.format,
                source.time_base,
                copy_from=job.input,
                copy_options=options.copy,
                overwrite=options.overwrite,
            )
            opened.callback(self._joiner.abort)
            index = index_packets(job.input)
            self._segments = plan_segments(index, start, end)
            self.total = source.frame_estimate
            opened.pop_all()

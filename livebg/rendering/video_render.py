"""Renders one video: divides it into segments, collects the rendered ones in the job directory, and joins them."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from livebg.compositing.effect_track import Timeline, Track
from livebg.config.settings import Settings
from livebg.errors import SourceError
from livebg.rendering.analysis import AnalysisTask, analysis_parts, analyzed_range, joined_track
from livebg.rendering.disk_space import check_space
from livebg.rendering.extra_outputs import OutputKind
from livebg.rendering.job_directory import JobDirectory
from livebg.rendering.jobs import Job, JobResult
from livebg.rendering.manifest import identify
from livebg.rendering.matte_track import track_tags
from livebg.rendering.outputs import check_extras, job_outputs, outputs_need_track
from livebg.rendering.segment_renderer import SegmentTask
from livebg.rendering.segments import Segment, SegmentResult, decoded_range
from livebg.rendering.video_plan import RenderOptions, plan_video
from livebg.rendering.worker import Task
from livebg.sinks.atomic_file import check_overwrite, part_path
from livebg.sinks.codecs import plan_encoder
from livebg.sinks.joiner import Joiner
from livebg.sinks.segment_file import written_format
from livebg.sinks.stream_selection import CopyOptions
from livebg.sources.damage import damage_notes
from livebg.sources.file import FileSource


class VideoRender:
    """One video that is being rendered: :meth:`begin` and :meth:`add` return tasks, and :meth:`finish` joins their results.

    The constructor opens the input and the job directory, and raises what can be refused before the work begins:
    :class:`~livebg.errors.SourceError`, :class:`~livebg.errors.SinkError`, :class:`~livebg.errors.ConfigError`. ``note`` receives
    a sentence on what becomes of the segments of an interrupted run.
    """

    def __init__(self, job: Job, settings: Settings, options: RenderOptions, note: Callable[[str], None]) -> None:
        self.job = job
        self._begun = time.perf_counter()
        self._settings, self._options = settings, options
        self._outputs = job_outputs(job, settings, options.consent)
        check_extras(job, settings, overwrite=options.overwrite, matte=options.matte)
        with ExitStack() as opened:
            with FileSource(job.input, options.copy.start, options.copy.end, threads=1) as source:
                self._joiners = {key: self._joiner(key, source) for key in self._outputs}
                for joiner in self._joiners.values():
                    opened.callback(joiner.close)
                self._plan = plan_video(job, options, source)
            manifest = self._plan.manifest(job, settings, options)
            self._inputs = manifest.inputs
            self._directory = JobDirectory.open(job.output, manifest, fresh=options.fresh, note=note)
            opened.callback(self._directory.keep)
            for path, _ in self._outputs.values():  # a run that had the lock until now may have written them
                check_overwrite(path, options.overwrite)
            self._results = self._directory.finished()
            self._tracks: list[Track] = []
            self._awaited = 0
            check_space(self._directory, {key: path for key, (path, _) in self._outputs.items()}, self._plan.source_rate)
            opened.pop_all()

    @property
    def parts(self) -> int:
        """The number of segments."""
        return len(self._plan.segments)

    @property
    def total(self) -> int | None:
        """The number of frames, or None; only for progress bars."""
        return self._plan.frames

    @property
    def done(self) -> int:
        """The number of frames in finished segments; during the analysis, about that in its finished parts."""
        if not self.is_analyzed:
            return (self._plan.frames or 0) * len(self._tracks) // self._awaited
        return sum(len(result.pts) for result in self._results.values())

    @property
    def is_analyzed(self) -> bool:
        """Whether nothing remains to be analyzed."""
        return len(self._tracks) == self._awaited

    def begin(self) -> list[Task[Any]]:
        """Return the tasks to run first: all segments, or the analysis that they depend on."""
        needed = self._options.consent is None and outputs_need_track(self._settings, self.job.extras)
        if needed and self._directory.manifest.track is None:
            tasks = self._analysis_tasks()
            self._awaited = len(tasks)
            return tasks
        return self._segment_tasks()

    def label(self, task: Task[Any]) -> str:
        """Return what a task renders, for messages."""
        part = self._directory.manifest.describe(task.segment.index) if isinstance(task, SegmentTask) else "The analysis"
        return f"{part} of {self.job.input}"

    def add(self, result: Track | SegmentResult) -> list[Task[Any]]:
        """Keep the result of a task. Returns further tasks. Raises :class:`~livebg.errors.SinkError`."""
        if isinstance(result, Track):
            self._tracks.append(result)
            if not self.is_analyzed:
                return []
            self._directory.store_track(joined_track(self._tracks).to_json())
            return self._segment_tasks()
        self._directory.add(result)
        self._results[result.index] = result
        return []

    @property
    def is_complete(self) -> bool:
        """Whether all segments are rendered."""
        return len(self._results) == len(self._plan.segments)

    def finish(self) -> JobResult:
        """Join the segments, remove the job directory, and return a summary. Raises :class:`~livebg.errors.SinkError`."""
        results = [self._results[segment.index] for segment in self._plan.segments]
        self._join(results)
        modified = tuple(self._modified_inputs())
        self._directory.discard()
        conversions = tuple(dict.fromkeys(note for result in results for note in result.notes))
        damage = Counter[str]()
        for result in results:
            damage.update(result.damage)
        written = tuple(f"also wrote {extra.path}" for extra in self.job.extras)
        notes = (*conversions, *damage_notes(damage), *self._joiners[OutputKind.VIDEO].notes, *written, *modified)
        network = next((result.network for result in results if result.network), None)
        return JobResult(self.job, self.done, time.perf_counter() - self._begun, network, notes)

    def stop(self) -> str | None:
        """End early. Finished segments stay for the next run; returns a sentence on them, if there are any."""
        for joiner in self._joiners.values():
            joiner.close()
        return self._directory.keep()

    def _modified_inputs(self) -> Iterator[str]:
        """Yield a note on each input whose content is no longer that of the beginning."""
        for role, before in self._inputs.items():
            with suppress(SourceError):  # removed since: the tasks that needed it have read it
                now = identify(Path(before.path))
                if (now.size, now.sha256) != (before.size, before.sha256):
                    yield f"the {role} {before.path} was modified during the render: the output may show both versions"

    def _join(self, results: Sequence[SegmentResult]) -> None:
        """Join the segments of all outputs. None of them gets its name before all are complete."""
        with ExitStack() as unfinished:
            files = []
            for key, joiner in self._joiners.items():
                segments = [(result.files[str(key)].path(self._directory.path), result.pts) for result in results]
                tags = self._tags([path for path, _ in segments]) if key is OutputKind.STORED_MATTE else None
                files.append(joiner.prepare(segments, part=self._part(key), tags=tags))
                unfinished.callback(files[-1].rollback)
            for file in files:
                file.commit()

    def _part(self, key: OutputKind) -> Path:
        """Return where an output is written before it gets its name: on the same disk, and again there in the next run, which
        removes what a killed one left.
        """
        folder, path = self._directory.path, self._outputs[key][0]
        if path.absolute().parent.resolve() == folder.parent.resolve():
            return folder / f"{key}.part"
        return part_path(path, hashlib.sha256(f"{folder.resolve()} {key}".encode("utf-8", "surrogateescape")).hexdigest()[:12])

    def _tags(self, mattes: Sequence[Path]) -> dict[str, str]:
        """Return the tags of the stored matte with these segments: the track, which a render from the matte needs as well."""
        stored = self._directory.manifest.track
        return {} if stored is None else track_tags(Track.from_json(stored), mattes)

    def _joiner(self, key: OutputKind, source: FileSource) -> Joiner:
        path, encoding = self._outputs[key]
        return Joiner(
            path,
            plan_encoder(encoding, path),
            written_format(source.format, encoding.content),
            source.time_base,
            copy_from=self.job.input if key is OutputKind.VIDEO else None,
            copy_options=CopyOptions() if key is OutputKind.STORED_MATTE else self._options.copy,  # at the times of the input
            overwrite=self._options.overwrite,
        )

    def _analysis_tasks(self) -> list[Task[Any]]:
        copy, plan = self._options.copy, self._plan
        if plan.matte is not None:  # often with a stored track, which is read once
            return [AnalysisTask(self.job.input, self._settings, copy.start, copy.end, plan.matte)]
        tasks: list[Task[Any]] = []
        for part in analysis_parts(plan.segments):
            start, end = analyzed_range(part, plan.origin, copy.start, copy.end)
            tasks.append(AnalysisTask(self.job.input, self._settings, start, end, part=part, like=plan.input_format))
        return tasks

    def _segment_tasks(self) -> list[Task[Any]]:
        stored = self._directory.manifest.track
        track = None if stored is None else Track.from_json(stored)
        missing = [segment for segment in self._plan.segments if segment.index not in self._results]
        return [self._segment_task(segment, track) for segment in missing]

    def _segment_task(self, segment: Segment, track: Track | None) -> SegmentTask:
        copy, plan = self._options.copy, self._plan
        filtered = self._options.consent is None and plan.matte is None
        start, end = decoded_range(segment, plan.origin, copy.start, copy.end, filtered=filtered)
        begin = float(plan.first * plan.time_base)
        until = float("inf") if segment.end is None else float(segment.end * segment.time_base)
        part = None if track is None else track.part(float(segment.begin * segment.time_base), until)
        return SegmentTask(
            self.job,
            segment,
            self._settings,
            self._directory.path,
            plan.input_format,
            start,
            end,
            Timeline(begin, part),
            None if plan.matte is None else plan.matte.between(segment.begin, segment.end),
            self._options.consent,
        )

"""Plans the render of one video: its format, its segments, and all that its bytes depend on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from livebg.compositing.composite import Consent
from livebg.config.settings import Settings
from livebg.platform.user_paths import expand_user, is_file
from livebg.rendering.fingerprint import network_fingerprint
from livebg.rendering.jobs import Job
from livebg.rendering.manifest import Manifest, identify
from livebg.rendering.matte_lookup import look_up_mattes
from livebg.rendering.outputs import job_outputs
from livebg.rendering.segments import Segment, plan_segments
from livebg.sinks.stream_selection import CopyOptions
from livebg.sources.file import FileSource
from livebg.sources.matte_index import MatteIndex
from livebg.sources.normalizer import InputFormat
from livebg.sources.packet_index import index_packets


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """What the command line states about a render beside the settings.

    ``copy`` is the range, and what happens to the other streams. ``overwrite`` replaces existing outputs. ``fresh`` discards what
    an interrupted run has finished. ``matte`` is the file whose mattes replace the network. ``consent`` turns the effect off.
    ``segment_s`` is the approximate length of a segment in seconds, for tests.
    """

    copy: CopyOptions = CopyOptions()  # noqa: RUF009 - immutable
    overwrite: bool = False
    fresh: bool = False
    matte: Path | None = None
    consent: Consent | None = None
    segment_s: float | None = None


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """What is known of a video before the work begins.

    ``origin`` is the start of the whole input in seconds, ``first`` the pts of the first frame to render, ``duration`` the length
    of the range in seconds, ``source_rate`` the bytes per second of the input, and ``frames`` the number of frames, if known.
    """

    input_format: InputFormat
    time_base: Fraction
    origin: Fraction
    segments: Sequence[Segment]
    first: int
    duration: float
    source_rate: float
    frames: int | None
    matte: MatteIndex | None

    def manifest(self, job: Job, settings: Settings, options: RenderOptions) -> Manifest:
        """Return all that the bytes depend on. Raises :class:`~livebg.errors.SourceError` for an input that cannot be read, and
        :class:`~livebg.errors.ModelError` for a network that cannot be found."""
        inputs = {"source": identify(job.input)}
        background = expand_user(settings.effect.background)
        if settings.effect.mode == "background" and is_file(background):
            inputs["background"] = identify(background)
        network = None
        if options.matte is not None:
            inputs["matte"] = identify(options.matte)
        elif options.consent is None:
            network = (settings.model.name, network_fingerprint(settings))
        values = self._byte_settings(job, settings, options)
        return Manifest(inputs, network, values, tuple(self.segments), self.duration, round(self.origin / self.time_base))

    def _byte_settings(self, job: Job, settings: Settings, options: RenderOptions) -> Mapping[str, Any]:
        """Return everything besides inputs and network that the bytes depend on."""
        values: dict[str, Any] = settings.model_dump(mode="json", include={"effect", "smoothing", "render", "model"})
        values["render"].pop("jobs")
        values["range"] = {"start": options.copy.start, "end": options.copy.end}
        values["outputs"] = {
            str(key): path.suffix.lower() for key, (path, _) in job_outputs(job, settings, options.consent).items()
        }
        values["effect off"] = options.consent is not None
        values["input format"] = repr(self.input_format)
        return values


def plan_video(job: Job, options: RenderOptions, source: FileSource) -> VideoPlan:
    """Plan the render of ``source``, the opened input of ``job``. Reads all its packets, and its first frame.

    Raises :class:`~livebg.errors.SourceError` for a video or a stored matte that cannot be used.
    """
    copy, size = options.copy, (source.format.width, source.format.height)
    index = index_packets(job.input)
    first = next(iter(source)).pts
    matte = None if options.matte is None else look_up_mattes(options.matte, job.input, index, size, copy)
    return VideoPlan(
        source.input_format,
        source.time_base,
        index.origin,
        plan_segments(index, copy.start, copy.end, options.segment_s),
        first,
        source.duration or 0.0,
        job.input.stat().st_size / max(float((index.pts[-1] - index.pts[0]) * index.time_base), 1.0) if len(index.pts) else 0.0,
        source.frame_estimate,
        matte,
    )

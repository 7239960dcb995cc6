"""All outputs of a render: plans and checks them, and makes their pictures from one run of the network."""

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from livebg.compositing.composite import Consent, plate, render_matte
from livebg.compositing.compositor import Compositor, EffectFunction
from livebg.compositing.effect_track import Timeline
from livebg.config.settings import Settings
from livebg.errors import ConfigError, SinkError
from livebg.factory import build_effect, build_encoding, build_light, needs_track
from livebg.imaging.frame import Composite, Frame, Matte
from livebg.platform.user_paths import expand_user, is_file
from livebg.rendering.extra_outputs import ExtraOutput, OutputKind, kept_mattes
from livebg.rendering.jobs import Job
from livebg.sinks.atomic_file import AtomicFile
from livebg.sinks.codecs import Content, Encoding, plan_encoder

_TRANSPARENT: Final = frozenset({OutputKind.CUTOUT, OutputKind.PLATE})
_ALPHA_SUFFIXES: Final = frozenset({".webm", ".mov"})
_CONTENTS: Final = MappingProxyType(
    {
        OutputKind.MATTE: Content.MATTE,
        OutputKind.CUTOUT: Content.CUTOUT,
        OutputKind.PLATE: Content.CUTOUT,
        OutputKind.STORED_MATTE: Content.STORED_MATTE,
    }
)


def with_extras(jobs: Sequence[Job], also: Sequence[ExtraOutput], *, keep_matte: bool) -> list[Job]:
    """Return the jobs with their extra outputs: ``also`` for the only one, and with ``keep_matte`` the matte of each video.

    Raises :class:`~livebg.errors.ConfigError` if they do not fit the jobs.
    """
    videos = [job for job in jobs if not job.is_photo and job.error is None]
    if also and (len(jobs) != 1 or not videos):
        found = f"but {jobs[0].input} is a photo" if len(jobs) == 1 else f"but there are {len(jobs)} inputs"
        raise ConfigError(f"--also names the output of a single video, {found}.", "Leave it out, or name one video.")
    if keep_matte and not videos:
        raise ConfigError("--keep-matte needs a video, but there are only photos.", "Use --mode matte for the matte of a photo.")
    if not keep_matte:
        return [replace(job, extras=tuple(also)) for job in jobs]
    stored = dict(zip(videos, kept_mattes([job.output for job in videos]), strict=True))
    used = {_place(path) for job in jobs for path in (job.input, job.output)}
    return [_with_matte(job, also, stored[job], used) if job in stored else job for job in jobs]


def _with_matte(job: Job, also: Sequence[ExtraOutput], matte: ExtraOutput, used: Collection[Path]) -> Job:
    """Return a video's job with its stored matte, and with an error if that has the place of one of the files ``used``."""
    problem = f"{matte.path} would hold the matte of {job.input}, but it is an input or an output as well."
    error = SinkError(problem, "Render this file alone, with another output.") if _place(matte.path) in used else None
    return replace(job, extras=(*also, matte), error=error)


def check_extras(job: Job, settings: Settings, *, overwrite: bool = False, matte: Path | None = None) -> None:
    """Check before any work that the outputs of ``job`` can be written beside each other. Leaves nothing behind.

    ``matte`` is the file that the mattes are read from. Raises :class:`~livebg.errors.ConfigError` for a format that cannot hold
    an output, and for two outputs in one file; :class:`~livebg.errors.SinkError` if a file exists (unless ``overwrite``), is an
    input, or cannot be written.
    """
    used = {_place(job.output): "the video", **({} if matte is None else {_place(matte): "the matte of --matte"})}
    if matte is not None and _place(job.output) == _place(matte):
        raise ConfigError(f"{matte} is both the matte and the output.", "Choose another output.")
    for extra in job.extras:
        if extra.kind in _TRANSPARENT and extra.path.suffix.lower() not in _ALPHA_SUFFIXES:
            found = f"A {extra.path.suffix} file" if extra.path.suffix else f"{extra.path}, which has no extension,"
            hint = "Name it .webm (VP9) or .mov (ProRes 4444)."
            raise ConfigError(f"{found} cannot hold the transparency of a {extra.kind}.", hint)
        plan_encoder(output_encoding(settings, extra.kind), extra.path)
        other = used.setdefault(_place(extra.path), extra.option)
        if other != extra.option:
            raise ConfigError(f"{extra.path} would hold both {other} and {extra.option}.", "Name two different files.")
        AtomicFile(extra.path, overwrite=overwrite, not_same_as=job.input).rollback()


def check_background(job: Job, settings: Settings) -> None:
    """Raise :class:`~livebg.errors.SinkError` if an output of ``job`` is the file of the background, which the render reads."""
    background = expand_user(settings.effect.background)
    if settings.effect.mode != "background" or not is_file(background):
        return
    for path in (job.output, *(extra.path for extra in job.extras)):
        if _place(path) == _place(background):
            problem = f"The output {path} is the background itself, which is never overwritten."
            raise SinkError(problem, "Choose another output.")


def output_encoding(settings: Settings, kind: OutputKind) -> Encoding:
    """Return how to encode an output. The codec in the settings is that of the video; the preset applies to all outputs, and the
    quality to those that are not lossless.
    """
    if kind is OutputKind.VIDEO:
        return build_encoding(settings, settings.effect.mode)
    lossless = Encoding(preset=settings.render.preset, content=_CONTENTS[kind])
    return replace(lossless, crf=settings.render.crf) if kind in _TRANSPARENT else lossless


def video_encoding(settings: Settings, consent: Consent | None) -> Encoding:
    """Return how to encode the video; ``consent`` turns the effect off."""
    return build_encoding(settings, settings.effect.mode if consent is None else "none")


def job_outputs(job: Job, settings: Settings, consent: Consent | None) -> dict[OutputKind, tuple[Path, Encoding]]:
    """Return the paths and encodings of all outputs of ``job`` by kind."""
    extras = {extra.kind: (extra.path, output_encoding(settings, extra.kind)) for extra in job.extras}
    return {OutputKind.VIDEO: (job.output, video_encoding(settings, consent)), **extras}


class OutputComposites:
    """Makes the composites of all outputs of one video. Each of ``effects`` makes one kind from the matte as shown.

    Frames come in order if the compositor or an effect has state.
    """

    def __init__(self, compositor: Compositor, effects: Mapping[OutputKind, EffectFunction], *, keep_matte: bool = False) -> None:
        self._compositor, self._effects, self._keep_matte = compositor, effects, keep_matte

    def composites(self, frame: Frame, matte: Matte) -> dict[OutputKind, Composite]:
        """Return the composites of ``frame`` by kind. ``matte`` is the one before edge, framing and compositing: its edge is
        shifted once, and all outputs but the stored matte show the same crop.

        Raises ValueError if ``matte`` belongs to another frame.
        """
        shown = self._compositor.shown_matte(matte)
        window = self._compositor.crop_window(shown)
        made = {kind: self._compositor.crop(effect(frame, shown), window) for kind, effect in self._effects.items()}
        return made | ({OutputKind.STORED_MATTE: render_matte(frame, matte)} if self._keep_matte else {})


def build_outputs(
    settings: Settings, compositor: Compositor, extras: Sequence[ExtraOutput], timeline: Timeline | None = None
) -> OutputComposites:
    """Return what makes the video by ``compositor``, and the pictures of ``extras``. ``timeline`` is that of the compositor."""
    effects: dict[OutputKind, EffectFunction] = {OutputKind.VIDEO: compositor.apply}
    for extra in extras:
        if extra.kind is OutputKind.MATTE:
            effects[extra.kind] = render_matte
        elif extra.kind is OutputKind.CUTOUT:
            light = build_light(settings, timeline.track if timeline else None)
            effects[extra.kind] = build_effect(settings.with_mode("cutout"), light=light)
        elif extra.consent is not None:
            effects[extra.kind] = partial(plate, consent=extra.consent)
    return OutputComposites(compositor, effects, keep_matte=any(each.kind is OutputKind.STORED_MATTE for each in extras))


def outputs_need_track(settings: Settings, extras: Sequence[ExtraOutput]) -> bool:
    """Return whether an output depends on earlier frames; see :func:`~livebg.factory.needs_track`.

    A stored matte keeps the track for renders with other settings.
    """
    kinds = {extra.kind for extra in extras}
    lit = OutputKind.CUTOUT in kinds and needs_track(settings.with_mode("cutout"))
    return needs_track(settings) or lit or OutputKind.STORED_MATTE in kinds


def _place(path: Path) -> Path:
    """Return the path with its folder resolved; of a file that exists, without links. Never raises an error: what opens or
    creates the file reports it.
    """
    with suppress(OSError):
        if path.exists():
            return Path(os.path.realpath(path))
    return Path(os.path.realpath(path.parent), path.name)

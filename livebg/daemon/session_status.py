"""Describes a session for the ``status`` command."""

import os
from dataclasses import asdict

from livebg import __version__
from livebg.config.settings import Settings, Smoothing
from livebg.daemon.status import (
    CameraStatus,
    CpuCost,
    DelayStatus,
    EffectStatus,
    ModelStatus,
    OutputState,
    OutputStatus,
    Status,
)
from livebg.interfaces import Segmenter
from livebg.live.effect_builder import ProcessorFactory
from livebg.live.session import Session
from livebg.live.snapshot import SessionSnapshot, describe
from livebg.live.stats import RecordingStatus
from livebg.native import kernel_status
from livebg.segmentation.fixed_lag import DTSSD_CHANGE_PERCENT, delay_s


def session_status(
    session: Session,
    factory: ProcessorFactory,
    settings: Settings,
    recording: RecordingStatus | None,
    *,
    cpu_seconds: float,
    effect_on: bool,
) -> Status:
    """Return the status of a session with ``settings``, which has used ``cpu_seconds`` of CPU time and hides the room if
    ``effect_on``."""
    snapshot, shape, effect = session.snapshot(), session.format, settings.effect
    state, reason = describe(snapshot)
    backends, segmenter, rate = settings.output.sink_backends, factory.segmenter, snapshot.fps_in or float(shape.frame_rate)
    return Status(
        state=state,
        reason=reason,
        mode=effect.mode if effect_on else "none",
        uptime=snapshot.uptime,
        camera=_camera_status(settings.camera.device, snapshot),
        output=OutputStatus(backends[0], snapshot.device, shape.width, shape.height, float(shape.frame_rate)),
        fps_in=snapshot.fps_in,
        fps_out=snapshot.fps_out,
        counts=snapshot.counts,
        latency=snapshot.latency,
        cpu_ms=_cpu_cost(cpu_seconds, snapshot),
        model=None if segmenter is None else _model_status(segmenter, shape.width, shape.height),
        last_error=snapshot.last_error,
        version=__version__,
        pid=os.getpid(),
        watched=snapshot.watched,
        watched_by=snapshot.watched_by,
        degraded=factory.degradations,
        effect=EffectStatus(effect.mode, effect.background, effect.blur, effect.screen),
        previews=max(snapshot.previews - (recording is not None), 0),  # a recording watches as a preview does
        kernels=kernel_status(),
        recording=recording,
        delay=_delay_status(settings.smoothing, rate) if effect_on else None,
        outputs=tuple(OutputState(backend, **asdict(each)) for backend, each in zip(backends, snapshot.outputs, strict=False)),
    )


def _camera_status(requested: str, snapshot: SessionSnapshot) -> CameraStatus:
    source = snapshot.source
    if source is None:
        return CameraStatus(requested, None, None, snapshot.opened, None)
    return CameraStatus(requested, source.name, source.mode, snapshot.opened, (source.format.width, source.format.height))


def _model_status(segmenter: Segmenter, width: int, height: int) -> ModelStatus:
    return ModelStatus(segmenter.name, segmenter.provider, segmenter.input_size(width, height))


def _delay_status(smoothing: Smoothing, rate: float) -> DelayStatus | None:
    frames = smoothing.delay_frames
    if not (frames and smoothing.time_constant):
        return None
    return DelayStatus(frames, delay_s(frames, 1 / rate) * 1000, DTSSD_CHANGE_PERCENT[frames])


def _cpu_cost(seconds: float, snapshot: SessionSnapshot) -> CpuCost | None:
    frames = snapshot.counts.processed
    if not frames:
        return None
    return CpuCost(seconds / frames * 1000, {name: spent / frames * 1000 for name, spent in snapshot.stages.items()})

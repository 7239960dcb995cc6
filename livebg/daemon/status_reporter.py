"""Collects the status of a session."""

import os
import time

from livebg import __version__
from livebg.daemon.controller import SessionController
from livebg.daemon.status import CameraStatus, CpuCost, EffectStatus, ModelStatus, OutputStatus, Status
from livebg.live.effect_builder import ProcessorFactory
from livebg.live.session import Session
from livebg.live.snapshot import SessionSnapshot, describe
from livebg.native import kernel_status


class StatusReporter:
    """Returns the status of ``session`` with the settings of ``controller``. Thread-safe."""

    def __init__(self, session: Session, controller: SessionController, factory: ProcessorFactory) -> None:
        self._session, self._controller, self._factory = session, controller, factory
        self._cpu = time.process_time()

    def __call__(self) -> Status:
        settings, snapshot = self._controller.settings, self._session.snapshot()
        state, reason = describe(snapshot)
        effect, shape = settings.effect, self._session.format
        backend = settings.output.resolved_backend
        return Status(
            state=state.value,
            reason=reason,
            mode=self._controller.mode,
            uptime=snapshot.uptime,
            camera=_camera(settings.camera.device, snapshot),
            output=OutputStatus(backend, snapshot.device, shape.width, shape.height, float(shape.frame_rate)),
            fps_in=snapshot.fps_in,
            fps_out=snapshot.fps_out,
            counts=snapshot.counts,
            latency=snapshot.latency,
            cpu_ms=self._cost(snapshot),
            model=self._model(),
            last_error=snapshot.last_error,
            version=__version__,
            pid=os.getpid(),
            watched=snapshot.watched,
            watched_by=snapshot.watched_by,
            degraded=self._factory.degradations,
            effect=EffectStatus(effect.mode, effect.background, effect.blur, effect.screen),
            previews=snapshot.previews,
            kernels=kernel_status(),
        )

    def _cost(self, snapshot: SessionSnapshot) -> CpuCost | None:
        frames = snapshot.counts.processed
        if not frames:
            return None
        stages = {name: seconds / frames * 1000 for name, seconds in snapshot.stages.items()}
        return CpuCost((time.process_time() - self._cpu) / frames * 1000, stages)

    def _model(self) -> ModelStatus | None:
        segmenter = self._factory.segmenter
        if segmenter is None:
            return None
        shape = self._session.format
        return ModelStatus(segmenter.name, segmenter.provider, segmenter.input_size(shape.width, shape.height))


def _camera(requested: str, snapshot: SessionSnapshot) -> CameraStatus:
    source = snapshot.source
    if source is None:
        return CameraStatus(requested, None, None, snapshot.opened, None)
    return CameraStatus(requested, source.name, source.mode, snapshot.opened, (source.format.width, source.format.height))

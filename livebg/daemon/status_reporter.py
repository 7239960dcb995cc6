"""Collects the status of a session."""

import os
import time
from typing import Protocol

from livebg import __version__
from livebg.config.settings import Settings
from livebg.daemon.status import CameraStatus, Counts, CpuCost, EffectStatus, LastError, ModelStatus, OutputStatus, Status
from livebg.live.condition import describe_state
from livebg.live.effect_builder import ProcessorFactory
from livebg.live.session import Session


class Holding(Protocol):
    """The current settings and mode (:class:`~livebg.daemon.controller.SessionController`)."""

    @property
    def settings(self) -> Settings: ...
    @property
    def mode(self) -> str:
        """The visible mode, possibly ``none``."""
        ...


class StatusReporter:
    """Returns the status of ``session`` with the settings of ``held``. Thread-safe."""

    def __init__(self, session: Session, held: Holding, factory: ProcessorFactory) -> None:
        self._session, self._controller, self._builder = session, held, factory
        self._cpu = time.process_time()

    def __call__(self) -> Status:
        session = self._session
        failure = session.failures.last
        state, reason = describe_state(session)
        return Status(
            state=state.value,
            reason=reason,
            mode=self._controller.mode,
            uptime=session.uptime,
            camera=self._camera(),
            output=self._output(),
            fps_in=session.camera.rate.per_second,
            fps_out=session.output.rate.per_second,
            counts=self._counts(),
            latency=session.output.latencies.summary(),
            cpu_ms=self._cost(),
            model=self._model(),
            last_error=LastError(failure.text, session.failures.seconds_ago) if failure else None,
            version=__version__,
            pid=os.getpid(),
            watched=session.watched,
            watched_by=session.presence.method,
            degraded=self._builder.degradations,
            effect=self._effect(),
            previews=session.audience.count,
        )

    def _camera(self) -> CameraStatus:
        source = self._session.camera.source
        requested, opened = self._controller.settings.camera.device, self._session.camera.opened
        if source is None:
            return CameraStatus(requested, None, None, opened, None)
        name, _, mode = source.description.rpartition(", ")
        return CameraStatus(requested, name, mode, opened, (source.format.width, source.format.height))

    def _effect(self) -> EffectStatus:
        effect = self._controller.settings.effect
        return EffectStatus(effect.mode, effect.background, effect.blur, effect.screen)

    def _output(self) -> OutputStatus:
        shape = self._session.format
        backend = self._controller.settings.output.resolved_backend
        return OutputStatus(backend, self._session.output.device, shape.width, shape.height, float(shape.frame_rate))

    def _counts(self) -> Counts:
        session = self._session
        output = session.output
        return Counts(
            captured=session.camera.captured,
            dropped=session.dropped,
            failed=session.worker.failed,
            processed=session.worker.processed,
            sent=output.sent,
            placeholders=output.placeholders,
            repeated=output.repeated,
        )

    def _cost(self) -> CpuCost | None:
        frames = self._session.worker.processed
        if not frames:
            return None
        stages = {name: seconds / frames * 1000 for name, seconds in dict(self._session.stages.seconds).items()}
        return CpuCost((time.process_time() - self._cpu) / frames * 1000, stages)

    def _model(self) -> ModelStatus | None:
        segmenter = self._builder.segmenter
        if segmenter is None:
            return None
        shape = self._session.format
        return ModelStatus(segmenter.name, segmenter.provider, segmenter.input_size(shape.width, shape.height))

"""A session's status, as :mod:`livebg.live.status` words it."""

import os
import time

from livebg import __version__
from livebg.config import Settings
from livebg.live.assembly import LookBuilder
from livebg.live.session import Session
from livebg.live.status import CameraStatus, Counts, CpuCost, LastError, ModelStatus, OutputStatus, Status


class StatusTeller:
    """Tells the status of ``session`` at any time, from any thread. ``mode`` is what the user sees, ``none`` among it."""

    def __init__(self, session: Session, settings: Settings, builder: LookBuilder, mode: str) -> None:
        self._session, self._settings, self._builder, self._mode = session, settings, builder, mode
        self._cpu = time.process_time()

    def __call__(self) -> Status:
        session = self._session
        failure = session.last_failure
        return Status(
            state=session.state.value,
            reason=session.reason,
            mode=self._mode,
            uptime=session.uptime,
            camera=self._camera(),
            output=self._output(),
            fps_in=session.camera.rate.per_second,
            fps_out=session.output.rate.per_second,
            counts=self._counts(),
            latency=session.output.latencies.summary(),
            cpu_ms=self._cost(),
            model=self._model(),
            last_error=LastError(failure.text, session.age_of(failure)) if failure else None,
            version=__version__,
            pid=os.getpid(),
        )

    def _camera(self) -> CameraStatus:
        source = self._session.camera.source
        about = None if source is None else source.about
        size = None if source is None else (source.format.width, source.format.height)
        return CameraStatus(self._settings.camera.device, about, None, self._session.camera.opened, size)

    def _output(self) -> OutputStatus:
        shape = self._session.format
        backend = self._settings.output.backend
        return OutputStatus(backend, None, shape.width, shape.height, float(shape.frame_rate))

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
        stages = {name: seconds / frames * 1000 for name, seconds in self._session.stages.seconds.items()}
        return CpuCost((time.process_time() - self._cpu) / frames * 1000, stages)

    def _model(self) -> ModelStatus | None:
        segmenter = self._builder.segmenter
        if segmenter is None:
            return None
        shape = self._session.format
        return ModelStatus(segmenter.name, segmenter.provider, segmenter.input_size(shape.width, shape.height))

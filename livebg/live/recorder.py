"""Records what apps see to a file, while the session runs."""

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livebg.clock import SYSTEM_CLOCK, Clock
from livebg.compositing.composite import Consent, Placeholder, with_pts
from livebg.errors import ConfigError, LivebgError, SinkError
from livebg.imaging.frame import Composite, VideoFormat
from livebg.live.frame_path import OutputFrame
from livebg.live.preview_feed import PreviewFeed
from livebg.live.stats import RecordingStatus
from livebg.sinks.recording import AUDIO_RATE, RecordingFile
from livebg.sources.microphone import Microphone, recorder_command

_LOG: Final = logging.getLogger(__name__)
_WAIT_S: Final = 0.1
"""Maximum seconds between two looks at the pause, the end and the microphone."""
NO_PICTURE: Final = "It ended before the first picture, so there is no file."
_TIME_BASE: Final = Fraction(1, 1000)
REPEAT_INTERVAL_S: Final = 0.5
"""Seconds until a picture that is still shown is encoded again: a recording of a killed livebg misses no more of it."""
_JOIN_TIMEOUT_S: Final = 10.0
_MUTE_AFTER_S: Final = 1.0
_SILENCE: Final = np.zeros(0, np.int16)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOptions:
    """What to record: ``path`` is absolute; ``seconds`` ends the recording, None = at :meth:`Recorder.stop`; ``audio`` is the
    name of a microphone, "default", or None = no sound."""

    path: Path
    overwrite: bool = False
    seconds: float | None = None
    audio: str | None = None


class Recorder:
    """Records the pictures of ``feed`` to one file at a time, in its own thread. Thread-safe.

    It takes the newest picture whenever the encoder is free, so a slow encoder or disk thins the recording and never delays the
    call. A picture that is sent repeatedly is encoded twice a second and lasts until the next one. Placeholders are recorded.
    Unprocessed pictures are recorded only with a consent for this recording; otherwise the placeholder takes their place. A
    recording counts as a viewer of ``feed``. The microphone is off while ``is_paused``.
    """

    def __init__(
        self,
        feed: PreviewFeed,
        format: VideoFormat,  # noqa: A002 - the usual term
        is_paused: Callable[[], bool],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._feed, self._format, self._is_paused, self._clock = feed, format, is_paused, clock
        self._placeholder = Placeholder(format.width, format.height, format.color).at(0, _TIME_BASE)
        self._changing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last: RecordingStatus | None = None
        self._microphone: Microphone | None = None
        self._switching = threading.Lock()
        """Held while the microphone is turned on or off: one that is being turned on while a pause begins is off after it."""

    @property
    def status(self) -> RecordingStatus | None:
        """The running recording, or None."""
        last = self._last
        return last if last is not None and last.active else None

    def start(self, options: RecordingOptions, consent: Consent | None = None) -> RecordingStatus:
        """Start a recording. ``consent`` allows it to show the room while the effect is off.

        Raises :class:`~livebg.errors.ConfigError` if one is running, :class:`~livebg.errors.SourceError` if the microphone cannot
        be recorded, and the errors of :class:`~livebg.sinks.recording.RecordingFile`.
        """
        with self._changing:
            if self.status is not None:
                raise ConfigError(f"livebg already records {self.status.path}.", "Run `livebg record --stop` first.")
            microphone = None if options.audio is None else Microphone(recorder_command(options.audio, AUDIO_RATE))
            with ExitStack() as opening:
                if microphone is not None:
                    self._microphone = microphone  # a pause finds it before it is on
                    opening.callback(microphone.stop)
                    if self._turn_on(microphone):
                        microphone.check()
                file = RecordingFile(options.path, self._format, audio=microphone is not None, overwrite=options.overwrite)
                opening.pop_all()
            self._stop.clear()
            composite = self._composite if consent is None else _any_composite
            run = _Recording(file, options, microphone, composite, self._clock.monotonic(), options.audio)
            self._last = started = run.status(0.0)
            self._thread = threading.Thread(target=self._run, args=(run,), name="livebg recorder", daemon=True)
            self._thread.start()
            return started

    def stop(self) -> RecordingStatus:
        """Complete the running recording. Returns it, or the last one.

        Raises :class:`~livebg.errors.ConfigError` if there was none.
        """
        with self._changing:
            self._stop.set()
            if self._thread is not None:
                self._thread.join(_MUTE_AFTER_S)
                self.mute()  # even if the disk hangs
                self._thread.join(_JOIN_TIMEOUT_S)
            if self._last is None:
                raise ConfigError("livebg is not recording.", "Start with `livebg record OUT.mkv`.")
            return self._last

    def mute(self) -> None:
        """Turn the microphone off before it returns. The recorder turns it on again unless ``is_paused``."""
        with self._switching:
            microphone = self._microphone
            if microphone is not None:
                microphone.stop()

    def close(self) -> None:
        """Complete the running recording, if any."""
        if self.status is not None:
            self.stop()

    def _composite(self, frame: OutputFrame) -> Composite:
        """Return the picture to record: a camera picture without a matte is unprocessed."""
        raw = frame.captured is not None and frame.matte is None
        return self._placeholder if raw else frame.composite

    def _run(self, run: "_Recording") -> None:
        try:
            with self._feed.subscribe():
                self._record(run)
        except LivebgError as error:
            run.problem = str(error)
            _LOG.warning("The recording ended: %s", error)
        finally:
            if run.microphone is not None:
                run.microphone.stop()
            try:
                self._finish(run)
            finally:
                self._microphone = None
                self._last = replace(run.status(self._clock.monotonic() - run.began), active=False)

    def _finish(self, run: "_Recording") -> None:
        """Complete the file. No player opens one without a picture, so that one is removed."""
        if not run.file.frames:
            run.file.abort()
            run.problem = run.problem or NO_PICTURE
            return
        try:
            run.complete()
        except SinkError as error:
            run.problem = run.problem or str(error)

    def _record(self, run: "_Recording") -> None:
        number, last_pts = None, -1
        while not self._stop.is_set() and not self._feed.closed:
            frame = self._feed.wait_for_newer(number, _WAIT_S)
            now = self._clock.monotonic() - run.began
            if run.options.seconds is not None and now >= run.options.seconds:
                return
            run.file.send_audio(self._samples(run), now)
            pts = int(now / _TIME_BASE)
            if frame is not None and pts > last_pts:
                number, last_pts = frame.number, pts
                run.send(run.composite(frame), pts)
            self._last = run.status(now)

    def _samples(self, run: "_Recording") -> NDArray[np.int16]:
        """Return the sound since the last call, which is silence while paused."""
        microphone = run.microphone
        if microphone is None:
            return _SILENCE
        samples = microphone.take()
        if self._is_paused():
            microphone.stop()
            return _SILENCE
        if microphone.failed:
            microphone.stop()
            run.microphone = None
            run.audio, run.problem = None, "The microphone stopped. The recording continues without sound."
        elif not microphone.started:
            self._turn_on(microphone)
        return samples

    def _turn_on(self, microphone: Microphone) -> bool:
        """Turn the microphone on unless paused. Returns whether it is on."""
        with self._switching:
            if self._is_paused():
                return False
            microphone.start()
            return True


@dataclass
class _Recording:
    """A running recording. ``began`` is in seconds of the clock."""

    file: RecordingFile
    options: RecordingOptions
    microphone: Microphone | None
    composite: Callable[[OutputFrame], Composite]
    began: float
    audio: str | None
    problem: str | None = None
    _shown: Composite | None = None
    """What was encoded last."""
    _encoded_pts: int = -1
    _repeated_pts: int | None = None
    """The time of its last repetition that was not encoded."""

    def send(self, composite: Composite, pts: int) -> None:
        """Encode a picture. A repetition is left out for :data:`REPEAT_INTERVAL_S`: a picture lasts until the next one."""
        if composite is self._shown and (pts - self._encoded_pts) * _TIME_BASE < REPEAT_INTERVAL_S:
            self._repeated_pts = pts
            return
        self.file.send(with_pts(composite, pts, _TIME_BASE))
        self._shown, self._encoded_pts, self._repeated_pts = composite, pts, None

    def complete(self) -> None:
        """Encode the last picture at the time until which it was shown, and close the file."""
        if self._shown is not None and self._repeated_pts is not None:
            self.file.send(with_pts(self._shown, self._repeated_pts, _TIME_BASE))
        self.file.close()

    def status(self, seconds: float) -> RecordingStatus:
        return RecordingStatus(str(self.options.path), round(seconds, 3), self.file.frames, self.audio, True, self.problem)


def _any_composite(frame: OutputFrame) -> Composite:
    return frame.composite

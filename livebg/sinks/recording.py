"""The file of a recording: Matroska or fragmented MP4, playable up to the last second even if livebg is killed."""

from __future__ import annotations  # PyAV's classes are generic only in its stubs

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from livebg.compositing.composite import with_color
from livebg.errors import ConfigError, SinkError
from livebg.imaging.frame import Composite, VideoFormat
from livebg.interfaces import Sink
from livebg.sinks.atomic_file import AtomicFile, writing
from livebg.sinks.av_frames import tag_color
from livebg.sinks.codecs import Encoding, plan_encoder
from livebg.sources.av_compat import open_output

AUDIO_RATE: Final = 48_000
"""Samples per second of the microphone and of the file."""
_TIME_BASE: Final = Fraction(1, 1000)
_SUFFIXES: Final = (".mkv", ".mp4")
_KEYFRAME_INTERVAL_S: Final = 2
_MAX_DRIFT_S: Final = 0.2
"""Seconds that the sound may differ from its time before silence is inserted or samples are dropped."""
_MUXER_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "matroska": {"cluster_time_limit": "1000", "flush_packets": "1"},
        "mp4": {"movflags": "+empty_moov+default_base_moof", "frag_duration": "1000000", "flush_packets": "1"},
    }
)
"""Both containers write a self-contained piece every second. libav writes each piece to the file at once."""


class RecordingFile(Sink):
    """A :class:`~livebg.interfaces.Sink` that encodes composites as they come, with the size and color of ``format``.

    The file ``path`` exists from the start and can be played while it grows. With ``audio``, :meth:`send_audio` adds the samples
    of a microphone. Composites of another color are converted.

    The constructor raises :class:`~livebg.errors.ConfigError` for an extension other than .mkv and .mp4, and
    :class:`~livebg.errors.SinkError` if the file cannot be created or exists (unless ``overwrite``).
    """

    def __init__(self, path: Path, format: VideoFormat, *, audio: bool = False, overwrite: bool = False) -> None:  # noqa: A002
        self._path, self._format, self._ended = path, format, False
        self._last_pts = -1
        self._samples = 0
        self.frames = 0
        """The number of composites written."""
        if path.suffix.lower() not in _SUFFIXES:
            raise ConfigError(f"A recording cannot be written to {path}.", f"Name a file that ends in {' or '.join(_SUFFIXES)}.")
        plan = plan_encoder(Encoding(crf=23, preset="superfast"), path)
        with ExitStack() as opening:
            file = AtomicFile(path, overwrite=overwrite)
            opening.callback(file.rollback)
            with writing(path):
                self._output = open_output(str(file.part), plan.container, _MUXER_OPTIONS[plan.container])
                opening.callback(self._output.close)
                # No B-frames: each frame is in the file as soon as it is encoded.
                options = {**plan.options, "bf": "0", "g": str(max(1, round(format.frame_rate * _KEYFRAME_INTERVAL_S)))}
                self._video = self._add_video(plan.codec, options)
                self._audio = self._output.add_stream("aac", rate=AUDIO_RATE, layout="mono") if audio else None
                self._output.start_encoding()
            file.commit()
            opening.pop_all()

    def send(self, composite: Composite) -> None:
        if self._ended:
            raise SinkError(f"{self._path} is closed.", "Start another recording.")
        if (composite.width, composite.height) != (self._format.width, self._format.height):
            raise SinkError(
                f"{self._path} is {self._format.width}x{self._format.height}, but a composite is "
                f"{composite.width}x{composite.height}. All must have one size."
            )
        pts = round(composite.pts * composite.time_base / _TIME_BASE)
        if pts <= self._last_pts:
            raise SinkError(f"A composite at {pts} ms followed one at {self._last_pts} ms. Times must increase.")
        data = with_color(composite, self._format.color).data
        frame = av.VideoFrame.from_numpy_buffer(data, "yuv420p")  # not a copy: the encoder makes its own before it returns
        frame.pts, frame.time_base = pts, _TIME_BASE
        with writing(self._path):
            self._output.mux(self._video.encode(frame))
        self._last_pts = pts
        self.frames += 1

    def send_audio(self, samples: NDArray[np.int16], until: float) -> None:
        """Add ``samples``, int16 mono at :data:`AUDIO_RATE`, the last of which was recorded ``until`` seconds after the start.

        Fills gaps with silence and drops samples that are too many: a microphone has its own clock. Without ``audio`` the call is
        ignored.
        """
        if self._audio is None or self._ended:
            return
        missing = round(until * AUDIO_RATE) - self._samples - len(samples)
        if missing > _MAX_DRIFT_S * AUDIO_RATE:
            samples = np.concatenate([np.zeros(missing, np.int16), samples])
        elif missing < -_MAX_DRIFT_S * AUDIO_RATE:
            samples = samples[: max(0, len(samples) + missing)]
        if not len(samples):
            return
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, self._samples, Fraction(1, AUDIO_RATE)
        with writing(self._path):
            self._output.mux(self._audio.encode(frame))
        self._samples += len(samples)

    def close(self) -> None:
        if self._ended:
            return
        self._ended = True
        try:
            with writing(self._path):
                for stream in (self._video, self._audio):
                    if stream is not None:
                        self._output.mux(stream.encode(None))
                self._output.close()
        except SinkError:
            self._release()
            raise

    def abort(self) -> None:
        if not self._ended:
            self._ended = True
            self._release()
            with suppress(OSError):  # its folder may be gone or read-only by now
                self._path.unlink()

    def _release(self) -> None:
        with suppress(av.FFmpegError, OSError):
            self._output.close()

    def _add_video(self, codec: str, options: dict[str, str]) -> av.VideoStream:
        stream = self._output.add_stream(codec, rate=self._format.frame_rate, options=options)
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = self._format.width, self._format.height, "yuv420p"
        context.time_base = stream.time_base = _TIME_BASE
        context.thread_count = 1  # the least CPU time, and no frames in flight
        tag_color(context, self._format.color)
        return stream

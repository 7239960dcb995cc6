"""The sink of the backend pipewire."""

from livebg.imaging.frame import VideoFormat
from livebg.sinks.camera_sink import CameraSink
from livebg.sinks.pipewire.libpipewire import Library
from livebg.sinks.pipewire.stream import CameraStream
from livebg.sinks.pipewire.streaming import Streaming


class PipeWireSink(CameraSink):
    """A camera called ``label`` that PipeWire offers, I420 in the size and at the rate of ``format``.

    ``streaming`` learns whether anybody takes pictures, and ``device`` is the camera's node in words. The constructor raises
    :class:`~livebg.errors.SinkError` when PipeWire is not there; sending raises it once the connection is lost.
    """

    def __init__(
        self,
        format: VideoFormat,  # noqa: A002 - the word of the field
        label: str,
        streaming: Streaming,
        library: Library | None = None,
    ) -> None:
        super().__init__(format, CameraStream(label, format, streaming, library or Library()))

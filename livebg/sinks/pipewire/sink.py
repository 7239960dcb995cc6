"""The sink of the PipeWire backend."""

from livebg.imaging.frame import VideoFormat
from livebg.sinks.camera_sink import CameraSink
from livebg.sinks.pipewire.libpipewire import Library
from livebg.sinks.pipewire.stream import CameraStream
from livebg.sinks.pipewire.streaming import StreamingFlag


class PipeWireSink(CameraSink):
    """A PipeWire camera named ``label``, I420 in the size and rate of ``format``.

    ``streaming`` receives whether an app takes pictures; ``device`` names the camera's node. The constructor raises
    :class:`~livebg.errors.SinkError` if PipeWire is not available; sending raises it after the connection is lost.
    """

    def __init__(
        self,
        format: VideoFormat,  # noqa: A002 - the usual term
        label: str,
        streaming: StreamingFlag,
        library: Library | None = None,
    ) -> None:
        super().__init__(format, CameraStream(label, format, streaming, library or Library()))

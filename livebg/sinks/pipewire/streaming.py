"""Whether an app takes pictures from the PipeWire camera, shared between the output and its listener."""

from collections.abc import Callable


def _ignore(streaming: bool) -> None:
    """The default listener; does nothing."""


class StreamingFlag:
    """A flag set by the output and readable from any thread; False without a camera.

    ``listener`` is called on each change, in the thread that calls :meth:`set`, and must not block.
    """

    def __init__(self) -> None:
        self.now = False
        self.listener: Callable[[bool], None] = _ignore

    def set(self, streaming: bool) -> None:
        if streaming != self.now:
            self.now = streaming
            self.listener(streaming)

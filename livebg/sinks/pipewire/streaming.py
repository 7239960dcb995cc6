"""Whether anybody takes pictures from the camera that PipeWire offers, between who learns of it and who acts on it."""

from collections.abc import Callable


def _nobody(streaming: bool) -> None:
    """Who listens as long as nobody does."""


class Streaming:
    """Told by the output, asked from any thread. Without a camera there is nobody who could watch it.

    ``listener`` is called with each change, in the thread that tells of it, which it must not hold up.
    """

    def __init__(self) -> None:
        self.now = False
        self.listener: Callable[[bool], None] = _nobody

    def tell(self, streaming: bool) -> None:
        if streaming != self.now:
            self.now = streaming
            self.listener(streaming)

"""A sink that discards its input, for measuring everything before a sink."""

from livebg.errors import SinkError
from livebg.imaging.frame import Composite
from livebg.interfaces import Sink


class NullSink(Sink):
    """Counts composites in ``frames`` and discards them."""

    def __init__(self) -> None:
        self.frames = 0
        self._ended = False
        self._last_time = float("-inf")

    def send(self, composite: Composite) -> None:
        """Count one composite. Raises SinkError after the end and if time does not increase."""
        if self._ended:
            raise SinkError("The sink is closed. Open it again.")
        if composite.time <= self._last_time:
            raise SinkError(
                f"A composite at {composite.time:.6f} s followed one at {self._last_time:.6f} s. Times must increase."
            )
        self._last_time = composite.time
        self.frames += 1

    def close(self) -> None:
        self._ended = True

    def abort(self) -> None:
        self._ended = True

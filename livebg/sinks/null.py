"""A sink that counts and drops, to measure everything that comes before a sink."""

from livebg.errors import SinkError
from livebg.imaging.frame import Composite
from livebg.interfaces import Sink


class NullSink(Sink):
    """Takes composites, counts them in ``frames`` and keeps nothing."""

    def __init__(self) -> None:
        self.frames = 0
        self._ended = False
        self._time = float("-inf")

    def send(self, composite: Composite) -> None:
        """Count one composite; raises SinkError after the end, and when time does not increase."""
        if self._ended:
            raise SinkError("nothing more can be sent: this sink has been closed")
        if composite.time <= self._time:
            raise SinkError(f"a composite at {composite.time:.6f} s came after one at {self._time:.6f} s: times must increase")
        self._time = composite.time
        self.frames += 1

    def close(self) -> None:
        self._ended = True

    def abort(self) -> None:
        self._ended = True

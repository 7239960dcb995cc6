"""Several virtual cameras with the same pictures."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from livebg.clock import SYSTEM_CLOCK, Clock
from livebg.errors import SinkError
from livebg.imaging.frame import Composite
from livebg.interfaces import Sink
from livebg.live.stats import FailureLog, OutletStatus
from livebg.live.threads import LatestSlot, WorkerThread

_OPEN_TIMEOUT_S: Final = 5.0
_RETRY_DELAY_S: Final = 0.25
_FLUSH_TIMEOUT_S: Final = 0.5
"""Maximum seconds to wait for a picture that is being written."""
_JOIN_TIMEOUT_S: Final = 1.0


class FanOutSink(Sink):
    """Sends each composite to several sinks. Each has its own thread and a mailbox for one composite.

    A slow or hung sink misses composites, and a failed one is opened again; neither delays the others. ``openers`` opens each
    sink by the name of its backend. The constructor waits until each has opened or failed, and raises
    :class:`~livebg.errors.SinkError` if all have failed; so does :meth:`send`.
    """

    def __init__(self, openers: Mapping[str, Callable[[], Sink]], failures: FailureLog, clock: Clock = SYSTEM_CLOCK) -> None:
        self._outlets = tuple(_Outlet(name, opener, failures, clock) for name, opener in openers.items())
        self._last_time = float("-inf")
        self._ended = False
        for outlet in self._outlets:
            outlet.start()
        for outlet in self._outlets:
            outlet.tried.wait(_OPEN_TIMEOUT_S)
        try:
            self._require_outlet()
        except SinkError:
            self.close()
            raise

    @property
    def device(self) -> str:
        """The devices of the open sinks, for display."""
        return ", ".join(outlet.device for outlet in self._outlets if outlet.device is not None)

    @property
    def outlets(self) -> Sequence[OutletStatus]:
        """The state of each sink."""
        return tuple(OutletStatus(outlet.name, outlet.device, outlet.problem) for outlet in self._outlets)

    def send(self, composite: Composite) -> None:
        if self._ended:
            raise SinkError("The virtual cameras are closed.", "Open them again.")
        if composite.time <= self._last_time:
            raise SinkError(
                f"A composite at {composite.time:.6f} s followed one at {self._last_time:.6f} s. Times must increase."
            )
        self._require_outlet()
        self._last_time = composite.time
        for outlet in self._outlets:
            outlet.waiting.put(composite)

    def flush(self) -> None:
        for outlet in self._outlets:
            outlet.flush()

    def close(self) -> None:
        self._ended = True
        for outlet in self._outlets:
            outlet.stop()
        for outlet in self._outlets:
            outlet.join()

    def abort(self) -> None:
        self.close()

    def _require_outlet(self) -> None:
        problems = [outlet.problem for outlet in self._outlets]
        if all(problem is not None for problem in problems):
            raise SinkError(" ".join(problem for problem in problems if problem is not None))


class _Outlet:
    """A sink with its thread. ``problem`` is why it cannot be written, or None; ``tried`` is set after the first attempt."""

    def __init__(self, name: str, opener: Callable[[], Sink], failures: FailureLog, clock: Clock) -> None:
        self.name, self._open, self._failures = name, opener, failures
        self.device: str | None = None
        self.problem: str | None = None
        self.waiting = LatestSlot[Composite](clock)
        self.tried, self._stop = clock.event(), clock.event()
        self._writing = threading.Lock()
        """Held from the removal of a composite from the mailbox until it is written."""
        self._thread = WorkerThread(f"livebg-{name}", self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self.waiting.close()

    def join(self) -> None:
        self._thread.join(_JOIN_TIMEOUT_S)

    def flush(self) -> None:
        """Drop the composite that waits, and wait until the one before it is written. A hung sink is not waited for."""
        self.waiting.clear()
        if self._writing.acquire(timeout=_FLUSH_TIMEOUT_S):
            self._writing.release()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._open() as sink:
                    self.device, self.problem = getattr(sink, "device", None), None
                    self.tried.set()
                    self._serve(sink)
            except SinkError as error:
                self.device, self.problem = None, self._failures.record_loss(error, self.problem)
                self.tried.set()
                self._stop.wait(_RETRY_DELAY_S)

    def _serve(self, sink: Sink) -> None:
        while not self._stop.is_set():
            with self._writing:
                composite = self.waiting.take(0)
                if composite is not None:
                    sink.send(composite)
            if composite is None:
                self.waiting.wait()

"""The computation of one mask, synchronous or in its own thread."""

from collections.abc import Callable
from typing import Final

from livebg.clock import SYSTEM_CLOCK, Clock
from livebg.compositing.composite import MAX_MATTE_AGE_S
from livebg.imaging.optical_flow import FlowField
from livebg.live.threads import WorkerThread
from livebg.pipeline import Mask

MAX_MASK_AGE_S: Final = MAX_MATTE_AGE_S - 0.02
"""Maximum age in seconds of a mask's source frame. Older masks are not warped; the next one is awaited."""


class MaskTask:
    """Runs ``make``, which computes the mask of a frame with the network input scaled by ``scale``.

    ``motion`` is the motion from the current frame back to that frame, maintained by the caller; None if no frame has followed.

    The thread ends with its mask and needs no stopping; if the network hangs, the thread is abandoned.
    """

    def __init__(self, scale: float, make: Callable[[], Mask], clock: Clock = SYSTEM_CLOCK) -> None:
        self.scale: Final = scale
        self.motion: FlowField | None = None
        self.seconds = 0.0
        """Wall time in seconds, set when done."""
        self._make, self._clock = make, clock
        self._finished = clock.event()
        self._outcome: Mask | BaseException | None = None

    def run(self) -> None:
        """Compute the mask in this thread. An exception is kept for :meth:`result`."""
        begin = self._clock.monotonic()
        try:
            self._outcome = self._make()
        except BaseException as error:  # noqa: BLE001 - re-raised in result()
            self._outcome = error
        else:
            self.seconds = self._clock.monotonic() - begin
        finally:
            self._finished.set()

    def start(self) -> None:
        """Compute the mask in a new thread."""
        WorkerThread("livebg-mask", self.run).start()

    @property
    def done(self) -> bool:
        return self._finished.is_set()

    def wait(self) -> None:
        """Block until it is done or failed, without a timeout."""
        self._finished.wait()

    def result(self) -> Mask:
        """Wait for the mask and return it. Re-raises its exception."""
        self.wait()
        if isinstance(self._outcome, Mask):
            return self._outcome
        raise self._outcome or RuntimeError("The mask was not computed.")

"""One mask on its way: made at once, or in a thread of its own beside the frames."""

from collections.abc import Callable
from time import perf_counter
from typing import Final

from livebg.clock import REAL, Waits
from livebg.compositing.composite import OLDEST_MATTE
from livebg.imaging.optical_flow import Motion
from livebg.live.thread import Companion
from livebg.pipeline import Mask

OLDEST_MASK: Final = OLDEST_MATTE - 0.02
"""Seconds. A mask whose picture is older is not carried on; the next one is waited for."""


class MaskMaking:
    """``make`` makes the mask of a frame at ``time``, in seconds, its network's picture ``scale`` times its size.

    ``motion`` is the way back to that frame, for who follows the picture meanwhile; None: no other frame has come since.

    A thread that makes one mask ends with it, so nobody has to end it; one whose network hangs is left behind. ``clock`` is wall
    time in seconds, and ``waits`` what is waited with.
    """

    def __init__(
        self,
        time: float,
        scale: float,
        make: Callable[[], Mask],
        clock: Callable[[], float] = perf_counter,
        waits: Waits = REAL,
    ) -> None:
        self.time: Final = time
        self.scale: Final = scale
        self.motion: Motion | None = None
        self.seconds = 0.0
        """Wall seconds that it took, once it is done."""
        self._make, self._clock = make, clock
        self._ended = waits.event()
        self._made: Mask | BaseException | None = None

    def run(self) -> None:
        """Make it, here and now; what it raises is kept for :meth:`result`."""
        begin = self._clock()
        try:
            self._made = self._make()
        except BaseException as error:  # noqa: BLE001 - raised again in result()
            self._made = error
        else:
            self.seconds = self._clock() - begin
        finally:
            self._ended.set()

    def start(self) -> None:
        """Make it in a thread of its own."""
        Companion("livebg-mask", self.run).start()

    @property
    def done(self) -> bool:
        return self._ended.is_set()

    def wait(self) -> None:
        """Until it is done, however it ends, and however long that takes."""
        self._ended.wait()

    def result(self) -> Mask:
        """The mask, waited for. Raises what making it raised."""
        self.wait()
        if isinstance(self._made, Mask):
            return self._made
        raise self._made or RuntimeError("nothing was made")

"""One mask on its way: made at once, or in a thread of its own beside the frames."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from time import perf_counter
from typing import Final

from livebg.carrying import Motion
from livebg.live.thread import Companion
from livebg.pipeline import Mask


class MaskMaking:
    """``make`` makes the mask of a frame at ``time``, in seconds, its network's picture ``scale`` times its size.

    ``motion`` is the way back to that frame, for who follows the picture meanwhile; None: no other frame has come since.

    A thread that makes one mask ends with it, so nobody has to end it; one whose network hangs is left behind.
    """

    def __init__(self, time: float, scale: float, make: Callable[[], Mask]) -> None:
        self.time: Final = time
        self.scale: Final = scale
        self.motion: Motion | None = None
        self.seconds = 0.0
        """Wall seconds that it took, once it is done."""
        self._make = make
        self._mask: Future[Mask] = Future()

    def run(self) -> None:
        """Make it, here and now; what it raises is kept for :meth:`result`."""
        begin = perf_counter()
        try:
            mask = self._make()
        except BaseException as error:  # noqa: BLE001 - raised again in result()
            self._mask.set_exception(error)
        else:
            self.seconds = perf_counter() - begin
            self._mask.set_result(mask)

    def start(self) -> None:
        """Make it in a thread of its own."""
        Companion("livebg-mask", self.run).start()

    @property
    def done(self) -> bool:
        return self._mask.done()

    def wait(self) -> None:
        """Until it is done, however it ends, and however long that takes."""
        wait([self._mask])

    def result(self) -> Mask:
        """The mask, waited for. Raises what making it raised."""
        return self._mask.result()

"""Whether pictures of the camera are wanted: somebody watches, and the user has not paused."""

import threading


class Demand:
    """What the presence and the user say, for the threads that act on it. Nobody watches until somebody is seen to."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched = self._paused = False

    @property
    def watched(self) -> bool:
        return self._watched

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def wanted(self) -> bool:
        return self._watched and not self._paused

    def tell(self, *, watched: bool | None = None, paused: bool | None = None) -> bool:
        """What changed, None standing for what did not; returns whether :attr:`wanted` is another now."""
        with self._changed:
            before = self.wanted
            self._watched = self._watched if watched is None else watched
            self._paused = self._paused if paused is None else paused
            self._changed.notify_all()
            return before != self.wanted

    def wait(self, timeout: float) -> bool:
        """Waits up to ``timeout`` seconds until pictures are wanted; tells whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: self.wanted, timeout)

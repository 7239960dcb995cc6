"""Whether pictures of the camera are wanted: somebody watches, a preview counting, and neither user nor locked screen pauses."""

from livebg.clock import REAL, Waits


class Demand:
    """What the presence, the previews and the user say, for the threads that act on it.

    Nobody watches until somebody is seen to, or a preview is there.
    """

    def __init__(self, waits: Waits = REAL) -> None:
        self._changed = waits.condition()
        self._watched = self._previewed = self._paused = self._locked = False

    @property
    def watched(self) -> bool:
        """By whoever: on the camera, or through a preview."""
        return self._watched or self._previewed

    @property
    def paused(self) -> bool:
        """By the user, or because the screen is locked."""
        return self._paused or self._locked

    @property
    def locked(self) -> bool:
        """Whether it is the locked screen alone that pauses."""
        return self._locked and not self._paused

    @property
    def wanted(self) -> bool:
        return self.watched and not self.paused

    def tell(
        self,
        *,
        watched: bool | None = None,
        previewed: bool | None = None,
        paused: bool | None = None,
        locked: bool | None = None,
    ) -> bool:
        """What changed, None standing for what did not; returns whether :attr:`wanted` is another now."""
        with self._changed:
            before = self.wanted
            self._watched = self._watched if watched is None else watched
            self._previewed = self._previewed if previewed is None else previewed
            self._paused = self._paused if paused is None else paused
            self._locked = self._locked if locked is None else locked
            self._changed.notify_all()
            return before != self.wanted

    def wait(self, timeout: float) -> bool:
        """Waits up to ``timeout`` seconds until pictures are wanted; tells whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: self.wanted, timeout)

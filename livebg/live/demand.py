"""Whether the camera should run: someone is watching (previews count) and neither the user nor a locked screen has paused it."""

from collections.abc import Callable, Sequence

from livebg.clock import SYSTEM_CLOCK, Clock
from livebg.live.threads import SendBarrier


class Demand:
    """Combines presence, previews, pause and screen lock for the session's threads. Thread-safe.

    Unwatched until presence reports a viewer or a preview opens. The output threads send inside ``sends``.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK, sends: Sequence[SendBarrier] = ()) -> None:
        self._sends = sends
        self.listener: Callable[[bool], None] = lambda _: None
        """Called after each :meth:`update`, with whether :attr:`wanted` changed."""
        self._changed = clock.condition()
        self._watched = self._previewed = self._paused = self._locked = self._closed = False
        self.generation = 0
        """How often the camera was wanted again. Frames of an earlier generation belong to earlier viewers."""

    @property
    def watched(self) -> bool:
        """Whether an app uses the virtual camera or a preview is open."""
        return self._watched or self._previewed

    @property
    def paused(self) -> bool:
        """Whether the user or a locked screen has paused the camera."""
        return self._paused or self._locked

    @property
    def locked(self) -> bool:
        """Whether only the locked screen has paused the camera."""
        return self._locked and not self._paused

    @property
    def wanted(self) -> bool:
        """Whether the camera should run: watched and not paused."""
        return self.watched and not self.paused

    def update(
        self,
        *,
        watched: bool | None = None,
        previewed: bool | None = None,
        paused: bool | None = None,
        locked: bool | None = None,
    ) -> bool:
        """Update the given inputs; None leaves one unchanged. Returns whether :attr:`wanted` changed.

        If the camera should not run then, no output starts to send a camera picture after this returns. An output that hangs in
        a send that began earlier delays this by :data:`~livebg.live.threads.SEND_TIMEOUT_S` at most.
        """
        with self._changed:
            before = self.wanted
            self._watched = self._watched if watched is None else watched
            self._previewed = self._previewed if previewed is None else previewed
            self._paused = self._paused if paused is None else paused
            self._locked = self._locked if locked is None else locked
            self.generation += self.wanted and not before
            self._changed.notify_all()
            wanted = self.wanted
            changed = before != wanted
        self.listener(changed)
        if not wanted:
            for send in self._sends:
                send.wait()
        return changed

    def wait(self) -> bool:
        """Wait until the camera should run. Returns False after :meth:`close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.wanted)
            return not self._closed

    def close(self) -> None:
        """End all waits, because the session ends."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

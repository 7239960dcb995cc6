"""Whether the camera should run: someone is watching (previews count) and neither the user nor a locked screen has paused it."""

import threading
from collections.abc import Callable

from livebg.clock import SYSTEM_CLOCK, Clock


class Demand:
    """Combines presence, previews, pause and screen lock for the session's threads. Thread-safe.

    Unwatched until presence reports a viewer or a preview opens. It changes only while no picture is being sent: the output
    thread holds ``output_lock`` meanwhile.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.output_lock = threading.Lock()
        self.listener: Callable[[bool], None] = lambda _: None
        """Called after each :meth:`update`, without the lock, with whether :attr:`wanted` changed."""
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
        """Updates the given inputs; None leaves one unchanged. Returns whether :attr:`wanted` changed."""
        with self.output_lock, self._changed:
            before = self.wanted
            self._watched = self._watched if watched is None else watched
            self._previewed = self._previewed if previewed is None else previewed
            self._paused = self._paused if paused is None else paused
            self._locked = self._locked if locked is None else locked
            self.generation += self.wanted and not before
            self._changed.notify_all()
            changed = before != self.wanted
        self.listener(changed)
        return changed

    def wait(self) -> bool:
        """Waits until the camera should run. Returns False after :meth:`close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.wanted)
            return not self._closed

    def close(self) -> None:
        """Ends all waits, because the session ends."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

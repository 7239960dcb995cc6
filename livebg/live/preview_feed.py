"""Who looks at what the session sends: the user's own previews, beside whoever watches the virtual camera."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from livebg.imaging.frame import Composite
from livebg.live.worker import Shown


@dataclass(frozen=True, slots=True, eq=False)
class Exhibit:
    """A picture as it was sent, and what it was made from; ``shown`` is None where it is the placeholder.

    ``number`` is another one for each picture that was sent, and grows.
    """

    number: int
    composite: Composite
    shown: Shown | None


class Audience:
    """Holds the picture that was sent last for those who have a seat, and nothing while nobody has one.

    The output thread hands each picture in (:meth:`show`) and waits for nobody; who is slow misses pictures. ``changed`` is
    called, one call at a time, after somebody has come or gone, with whether anybody is there.
    """

    def __init__(self, changed: Callable[[bool], None]) -> None:
        self._changed = changed
        self._entrance = threading.Lock()
        """Held by who comes or goes. The output thread never takes it: coming and going may have to wait for that thread."""
        self._hung = threading.Condition()
        """Round the picture."""
        self._exhibit: Exhibit | None = None
        self._number = 0
        self._closed = False
        self.count = 0
        """Seats that are taken."""

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Inside the ``with`` block pictures are wanted."""
        self._move(1)
        try:
            yield
        finally:
            self._move(-1)

    def show(self, composite: Composite, shown: Shown | None) -> None:
        """The picture that was sent just now; ``shown`` is what it was made from, None for the placeholder."""
        if not self.count:
            return
        with self._hung:
            if not self.count:  # who has left last has cleared the wall: nothing of now is to be found there later
                return
            self._number += 1
            self._exhibit = Exhibit(self._number, composite, shown)
            self._hung.notify_all()

    def newest(self, after: int | None, timeout: float) -> Exhibit | None:
        """The picture that was sent last, as soon as it is another one than number ``after``; None when none came in time."""
        with self._hung:
            self._hung.wait_for(lambda: self._closed or self._is_new(after), timeout)
            return self._exhibit if self._is_new(after) else None

    def clear(self) -> None:
        """What was sent last is not to be seen any more, as when the output was lost."""
        with self._hung:
            self._exhibit = None

    def close(self) -> None:
        """Nothing comes any more: who waits is told so."""
        with self._hung:
            self._closed, self._exhibit = True, None
            self._hung.notify_all()

    def _is_new(self, after: int | None) -> bool:
        return self._exhibit is not None and self._exhibit.number != after

    def _move(self, by: int) -> None:
        with self._entrance:
            with self._hung:
                self.count += by
                if not self.count:
                    self._exhibit = None
            self._changed(self.count > 0)

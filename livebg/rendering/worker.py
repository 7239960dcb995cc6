"""The tasks of a render, and what a worker offers to them."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from livebg.config.settings import Settings
from livebg.errors import Cancelled
from livebg.interfaces import Segmenter

ResultT_co = TypeVar("ResultT_co", covariant=True)


class Worker(Protocol):
    """Runs tasks one after the other: in this process, in another one, or on another machine."""

    def segmenter(self, settings: Settings) -> Segmenter:
        """Returns the network of ``settings``, which is loaded once. Raises :class:`~livebg.errors.ModelError`."""
        ...

    def advance(self, frames: int) -> None:
        """Report that ``frames`` frames of the current task are done.

        Raises :class:`~livebg.errors.Cancelled` if the user stopped the render.
        """
        ...


class Task(Protocol[ResultT_co]):
    """One unit of work: a segment, a photo, an analysis. Tasks and results are pickled, so they hold data only."""

    def run(self, worker: Worker) -> ResultT_co:
        """Do the work. Raises :class:`~livebg.errors.LivebgError` if that fails for a reason that a second try will not
        change."""
        ...


class LocalWorker:
    """Runs tasks in this process. ``on_advance`` receives the frames done; ``stopped`` is asked with each frame."""

    def __init__(
        self, load: Callable[[Settings], Segmenter], on_advance: Callable[[int], None], stopped: Callable[[], bool]
    ) -> None:
        self._load, self._on_advance, self._stopped = load, on_advance, stopped
        self._loaded: tuple[Settings, Segmenter] | None = None

    def segmenter(self, settings: Settings) -> Segmenter:
        """See :meth:`Worker.segmenter`."""
        if self._loaded is None or self._loaded[0].model != settings.model:
            self._loaded = settings, self._load(settings)
        return self._loaded[1]

    def advance(self, frames: int) -> None:
        """See :meth:`Worker.advance`."""
        if self._stopped():
            raise Cancelled("Stopped.")
        self._on_advance(frames)

"""The protocols between the rooms. Their docstrings state the obligations that the contract tests hold every class to.

A source and a sink inherit from theirs, and get the ``with`` block from it.
"""

from collections.abc import Iterator
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha, Composite, Frame, Matte, VideoFormat


@runtime_checkable
class Source(Protocol):
    """Where frames come from.

    - Opening happens in the constructor, which raises :class:`~livebg.errors.SourceError` and then leaves nothing open.
    - ``format`` is known before the first frame and never changes; every frame has its size and colour.
    - Iterating yields each frame once, with strictly increasing ``pts``; the end of the stream ends the iteration, and what
      cannot be read raises ``SourceError``. A source is iterated once.
    - A yielded frame belongs to the receiver: the source never writes to it again.
    - ``close`` may be called at any time, more than once; nothing is yielded after it. Leaving the ``with`` block closes.
    """

    @property
    def format(self) -> VideoFormat: ...
    def __iter__(self) -> Iterator[Frame]: ...
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@runtime_checkable
class LiveSource(Source, Protocol):
    """A camera, or what stands in for one: a source whose frames come when they come.

    - ``now`` is the present in seconds on the clock of its frames' times, so that ``now() - frame.time`` is a frame's age.
    - Iterating waits for the next frame, and raises ``SourceError`` when none came within the source's deadline. ``close`` from
      another thread ends the wait, and with it the iteration.
    - ``about`` is its name and its mode in a few words each, for people, with a comma between them.
    """

    @property
    def about(self) -> str: ...
    def now(self) -> float: ...


@runtime_checkable
class Sink(Protocol):
    """Where composites go.

    - ``send`` takes composites of one size with strictly increasing time and raises :class:`~livebg.errors.SinkError`
      when it cannot pass one on. It keeps no reference to the composite's arrays.
    - ``close`` completes the output and raises ``SinkError`` when it is not whole. ``abort`` gives it up and leaves nothing
      behind. The first call of either ends the sink; later calls do nothing, and ``send`` after it raises ``SinkError``.
    - Leaving the ``with`` block closes, or aborts when an exception passes through.
    """

    def send(self, composite: Composite) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *exc: object) -> None:
        if exc_type is None:
            self.close()
        else:
            self.abort()


@runtime_checkable
class Segmenter(Protocol):
    """The network. It sees each picture on its own and keeps nothing between pictures.

    ``name`` is the model's and ``provider`` onnxruntime's own word for where it runs, for summaries and status.
    """

    @property
    def name(self) -> str: ...
    @property
    def provider(self) -> str: ...

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """The size (width, height) of the picture to hand to :meth:`segment` for frames of the given size."""
        ...

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        """Tell foreground from background.

        ``image`` is RGB, uint8, shape (height, width, 3), of the size that :meth:`input_size` gave. Returns a new array,
        float32, shape (height, width), 0..1, all finite. Raises :class:`~livebg.errors.ModelError` when the network fails.
        """
        ...


@runtime_checkable
class ScalableSegmenter(Segmenter, Protocol):
    """A segmenter that can be shown smaller pictures, where time is short."""

    def scaled_size(self, width: int, height: int, scale: float) -> tuple[int, int]:
        """A size about ``scale``, 0..1, times that of :meth:`input_size` on each side, which :meth:`segment` takes as well.

        A network that runs at one size alone gives that.
        """
        ...


class Background(Protocol):
    """What stands behind the person."""

    fresh: bool
    """Whether each picture is a new array, and the caller's own. If not, the caller does not write to it, and uses it before the
    next call."""

    def picture(self, frame: Frame, matte: Matte) -> NDArray[np.uint8]:
        """An I420 picture of the frame's size and colour."""
        ...

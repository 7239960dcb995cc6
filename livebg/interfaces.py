"""The protocols between the packages. Their docstrings state the obligations that the contract tests verify for every class.

Sources and sinks inherit from their protocol, which provides the ``with`` block.
"""

from collections.abc import Iterator
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from livebg.imaging.frame import Alpha, Composite, Frame, Matte, VideoFormat


@runtime_checkable
class Source(Protocol):
    """Yields frames.

    - The constructor opens the source. On failure it raises :class:`~livebg.errors.SourceError` and leaves nothing open.
    - ``format`` is known before the first frame and never changes; every frame has its size and color.
    - Iteration yields each frame once, with strictly increasing ``pts``, and ends at the end of the stream. Unreadable input
      raises ``SourceError``. A source is iterated once.
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
    """A camera or a substitute for one: a source that yields frames in real time.

    - ``now`` returns the current time in seconds on the clock of the frames' times, so ``now() - frame.time`` is a frame's age.
    - Iteration waits for the next frame and raises ``SourceError`` if none arrives within the source's deadline. ``close`` from
      another thread ends the wait and the iteration.
    - ``can_wait``: whether the first frame may be requested late, because none before it is missed: a file starts to play, a
      camera returns its newest frame.
    - ``name`` and ``mode`` are for people: the camera, and a summary of its format such as ``1280x720 MJPG 30 fps``.
    """

    can_wait: bool = False

    @property
    def name(self) -> str: ...
    @property
    def mode(self) -> str: ...
    def now(self) -> float: ...


@runtime_checkable
class Sink(Protocol):
    """Receives composites.

    - ``send`` takes composites of one size with strictly increasing time and raises :class:`~livebg.errors.SinkError` if it
      cannot write one. It keeps no reference to the composite's arrays.
    - ``close`` completes the output and raises ``SinkError`` if the output is incomplete. ``abort`` discards the output and
      leaves nothing behind. The first call of either ends the sink; later calls do nothing, and ``send`` after it raises
      ``SinkError``.
    - Leaving the ``with`` block closes, or aborts if an exception propagates.
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
    """A stateless segmentation network: each picture is processed independently.

    ``name`` is the model's name and ``provider`` the name of its onnxruntime execution provider, for summaries and status.
    """

    @property
    def name(self) -> str: ...
    @property
    def provider(self) -> str: ...

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the size (width, height) of the picture to pass to :meth:`segment` for frames of the given size."""
        ...

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        """Separate foreground from background.

        ``image`` is RGB, uint8, shape (height, width, 3), of the size that :meth:`input_size` returned. Returns a new array,
        float32, shape (height, width), 0..1, all finite. Raises :class:`~livebg.errors.ModelError` if the network fails.
        """
        ...


@runtime_checkable
class ScalableSegmenter(Segmenter, Protocol):
    """A segmenter that also accepts pictures of other sizes: smaller ones save time."""

    def scaled_size(self, width: int, height: int, scale: float) -> tuple[int, int]:
        """Return a size of about ``scale`` times :meth:`input_size` on each side, valid for :meth:`segment`.

        A network with a fixed size returns that size.
        """
        ...


class Background(Protocol):
    """Provides the picture behind the person."""

    returns_new_array: bool
    """Whether each picture is a new array that the caller owns. If not, the caller must not write to it and must use it before
    the next call."""

    def picture(self, frame: Frame, matte: Matte) -> NDArray[np.uint8]:
        """Return an I420 picture of the frame's size and color."""
        ...

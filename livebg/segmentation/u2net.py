"""U²-Net on onnxruntime: from a small RGB picture to an alpha at model resolution."""

import logging
import math
import threading
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.errors import ModelError
from livebg.imaging.frame import Alpha
from livebg.models.registry import ModelCard, with_metadata
from livebg.segmentation.execution_providers import AUTO, CPU, ProviderSelector, median_seconds
from livebg.segmentation.onnx_model import OnnxModel, OnnxSession, ResizeUnavailable, RunFailed, Size

_LOG: Final = logging.getLogger(__name__)
_FALLBACK_PIXELS: Final = 256 * 144
_NOMINAL_FRAME: Final = (1280, 720)
_MAX_ASPECT: Final = 4.0
_LEVELS: Final = 256

Normalization = Literal["sigmoid", "minmax"]
"""``sigmoid``: fixed scale of input and output. ``minmax``: each picture divided by its maximum, output stretched to 0..1."""


class U2NetSegmenter:
    """A network of the U²-Net family as a :class:`~livebg.interfaces.Segmenter`.

    No state depends on the pictures; :meth:`segment` may be called from several threads at once.

    - ``path``: an ONNX file with one float32 input, 1x3xHxW; its first output is the alpha, 1x1xHxW, after the sigmoid.
    - ``card``: input scaling and default number of pixels. Metadata that livebg's training stored in the file overrides it.
    - ``input_size``: (width, height) for every frame. None follows the frame's aspect ratio at the card's number of pixels, or
      uses the network's own size if it is fixed or the extra ``livebg[resize]`` is missing.
    - ``frame_size``: (width, height) of the frames, if known. The CPU provider then opens the network for their pictures only,
      which takes 0.95 of the CPU time; the first picture of another size opens it once more, for any size.
    - ``normalization``: ``sigmoid`` is stable on video; ``minmax`` is rembg's normalization for still pictures and flickers on
      video.
    - ``provider``: ``auto``, a short or full name, or a selector with other candidates than this machine's.
    - ``threads``: of the CPU provider. One needs the least CPU time per picture; more only reduce the latency.

    The constructor runs the network once. Raises :class:`~livebg.errors.ModelError` if the file is not such a network, does not
    run at the requested size, or the provider is missing.
    """

    def __init__(
        self,
        path: Path,
        card: ModelCard,
        *,
        input_size: Size | None = None,
        frame_size: Size | None = None,
        normalization: Normalization = "sigmoid",
        provider: str | ProviderSelector = AUTO,
        threads: int = 1,
    ) -> None:
        # The bundled network's card describes its file. Reading the file takes half as long as opening the network.
        original = OnnxModel(path, None) if card.bundled else OnnxModel.read(path)
        self._card = with_metadata(card, original.metadata)
        self._normalization = normalization
        self._threads = threads
        self._chooser = ProviderSelector(provider) if isinstance(provider, str) else provider
        self._pixels = card.pixels or (math.prod(original.size) if original.size else _FALLBACK_PIXELS)
        self._size, self._frame_size = input_size, frame_size
        self._any_size: OnnxSession | None = None
        self._tried_cpu = False
        self._opening = threading.Lock()
        try:
            self._start(original.resized(input_size))
        except ModelError as error:
            if original.size is None or original.size == input_size or (input_size and isinstance(error, ResizeUnavailable)):
                raise
            self._size = original.size
            self._start(original)  # if this fails too, the size is not the cause
            own = "{}x{}".format(*original.size)
            if input_size:
                wanted = "{}x{}".format(*input_size)
                raise ModelError(f"{path} runs at {own} only, not at {wanted}.", f"Choose {own}, or no input size.") from error
            _LOG.info("%s has the fixed input size %s, independent of the frame's aspect ratio: %s", path, own, error)

    @property
    def name(self) -> str:
        """The name on the model card."""
        return self._card.name

    @property
    def provider(self) -> str:
        """The full name of the execution provider."""
        return self._session.provider

    def input_size(self, width: int, height: int) -> Size:
        """Return the fixed size, or the default number of pixels in the frame's aspect ratio, in multiples of the card's
        stride."""
        return self.scaled_size(width, height, 1.0)

    def scaled_size(self, width: int, height: int, scale: float) -> Size:
        """Return :meth:`input_size` with width and height scaled by ``scale``; the fixed size if there is one."""
        if self._size:
            return self._size
        # Limit extreme aspect ratios, or rounding would make the small side too large.
        root = math.sqrt(min(max(width / height, 1 / _MAX_ASPECT), _MAX_ASPECT))
        side, stride = math.sqrt(self._pixels) * scale, self._card.stride
        return max(round(side * root / stride), 1) * stride, max(round(side / root / stride), 1) * stride

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        """Separate foreground from background; see :class:`~livebg.interfaces.Segmenter`.

        If the provider that was chosen automatically has failed, the CPU takes over: a graphics driver may not survive a
        suspend. Raises ValueError if ``image`` is not RGB in uint8.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"A segmenter needs uint8 of shape (height, width, 3), got {image.dtype} {image.shape}.")
        provider = self.provider
        try:
            return self._segment(image)
        except RunFailed as error:
            if provider == CPU or not self._moved_to_cpu(error):
                raise
            return self._segment(image)

    def _segment(self, image: NDArray[np.uint8]) -> Alpha:
        size = image.shape[1], image.shape[0]
        session = self._session_for(size)
        if session.size in (None, size):
            return self._run(session, image)
        scaled = np.asarray(cv2.resize(image, session.size, interpolation=cv2.INTER_LINEAR), np.uint8)
        return np.asarray(cv2.resize(self._run(session, scaled), size, interpolation=cv2.INTER_LINEAR), np.float32)

    def _moved_to_cpu(self, error: RunFailed) -> bool:
        """Return whether the CPU has taken over. Tries it once."""
        with self._opening:
            if self._chooser.requested == AUTO and not self._tried_cpu:
                self._tried_cpu = True
                _LOG.warning("%s has failed, so the CPU runs the network until the next start: %s", self.provider, error)
                self._session = self._any_size = self._open_any_size(CPU)
            return self.provider == CPU

    def _session_for(self, size: Size) -> OnnxSession:
        """Return the session for pictures of ``size``. The first one of another size than the frames' opens it."""
        if self._session.size in (None, size):
            return self._session
        with self._opening:
            self._any_size = self._any_size or self._open_any_size(self.provider)
            return self._any_size

    def _open_any_size(self, provider: str) -> OnnxSession:
        """Return a session for any size; the one that is open if the file has been removed, replaced or damaged since."""
        try:
            if self._file != _identity(self._network):
                raise ModelError(f"{self._network.path} has changed.", "Restart livebg to use it.")
            return self._network.open(provider, self._threads)
        except (ModelError, OSError) as error:
            _LOG.warning("The network stays as it is: %s", error)
            return self._session

    def _start(self, network: OnnxModel) -> None:
        """Open the network and run it once, which validates the size and keeps the slow first run out of the first frame."""
        size = width, height = self.input_size(*(self._frame_size or _NOMINAL_FRAME))
        gray = np.full((height, width, 3), 128, np.uint8)

        def start(provider: str) -> OnnxSession:
            running = network.open(provider, self._threads, size if self._frame_size and provider == CPU else None)
            self._run(running, gray)
            return running

        def seconds(running: OnnxSession) -> float:
            return median_seconds(lambda: self._run(running, gray))

        identity = self._card.sha256 or f"{network.path.resolve()} {_identity(network)}"
        self._network, self._file = network, _identity(network)
        self._session = self._chooser.open(f"{identity} {width}x{height} threads={self._threads}", start, seconds)

    def _run(self, network: OnnxSession, image: NDArray[np.uint8]) -> Alpha:
        output = network.run(self._tensor(image))
        if self._normalization == "minmax":
            low, high = output.min(), output.max()
            if high > low:  # a constant output cannot be stretched
                output = (output - low) / (high - low)
        alpha: Alpha = np.clip(output, 0, 1)
        return alpha

    def _tensor(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the network's input, shape (1, 3, height, width): one table lookup per value, written in place."""
        tensor = np.empty((1, 3, *image.shape[:2]), np.float32)
        table = self._table(255 if self._normalization == "sigmoid" else max(int(image.max()), 1))
        for channel, plane in enumerate(cv2.split(image)):
            cv2.LUT(plane, table[channel : channel + 1], tensor[0, channel])
        return tensor

    def _table(self, maximum: int) -> NDArray[np.float32]:
        """Return the input value of each level of each channel, shape (3, 256)."""
        levels = np.arange(_LEVELS) / maximum
        table: NDArray[np.float64] = (levels - np.array(self._card.mean)[:, None]) / np.array(self._card.std)[:, None]
        return table.astype(np.float32)


def _identity(network: OnnxModel) -> str:
    """Return what changes with the content of a network's file. Raises OSError."""
    status = network.path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"

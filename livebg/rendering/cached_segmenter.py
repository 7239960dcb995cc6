"""Remembers the network's output for the pictures that neighboring segments have in common."""

import hashlib
import threading
from collections import OrderedDict
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livebg.config.settings import Settings
from livebg.factory import build_segmenter
from livebg.imaging.frame import Alpha
from livebg.interfaces import ScalableSegmenter

_CAPACITY: Final = 64 * 2**20
"""Bytes: seven seconds at 30 fps and 256x144 with mirror images. Two neighbors share the warm-up and the look-ahead, two to four
seconds."""


class CachedSegmenter:
    """Runs ``segmenter`` once per picture, as long as the outputs take at most ``capacity`` bytes together.

    The key is a hash of the picture, so the output is the same as without the cache.
    """

    def __init__(self, segmenter: ScalableSegmenter, capacity: int = _CAPACITY) -> None:
        self._segmenter = segmenter
        self._capacity = capacity
        self._size = 0
        self._lock = threading.Lock()
        self._alphas: OrderedDict[tuple[tuple[int, ...], bytes], Alpha] = OrderedDict()

    @property
    def name(self) -> str:
        return self._segmenter.name

    @property
    def provider(self) -> str:
        return self._segmenter.provider

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return self._segmenter.input_size(width, height)

    def scaled_size(self, width: int, height: int, scale: float) -> tuple[int, int]:
        """See :meth:`livebg.interfaces.ScalableSegmenter.scaled_size`."""
        return self._segmenter.scaled_size(width, height, scale)

    def segment(self, image: NDArray[np.uint8]) -> Alpha:
        """See :meth:`livebg.interfaces.Segmenter.segment`."""
        key = image.shape, hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
        with self._lock:
            alpha = self._alphas.get(key)
        if alpha is None:
            alpha = self._segmenter.segment(image)
        with self._lock:
            if key not in self._alphas:
                self._alphas[key] = alpha
                self._size += alpha.nbytes
            self._alphas.move_to_end(key)
            while self._size > self._capacity:
                self._size -= self._alphas.popitem(last=False)[1].nbytes
        return alpha.copy()


def load_segmenter(settings: Settings) -> CachedSegmenter:
    """Load the network of ``settings``. Raises :class:`~livebg.errors.ModelError`."""
    return CachedSegmenter(build_segmenter(settings))

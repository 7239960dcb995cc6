"""A careful Python loop that does the least a virtual background needs: the yardstick for livebg's cost per frame.

JPEG to BGR, area resampling to the network, MediaPipe's landscape network on one thread, a bilinear mask, a Gaussian blur at
quarter size, one blend, conversion to I420. It does not smooth over time, refine edges or remove the old background from them.
"""

import time
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from livebg.bench.recording import Recording
from livebg.clock import one_opencv_thread

_BLUR: Final = 0.025
"""Standard deviation of the blur as a share of the picture's height, as in livebg."""


class ReferenceLoop:
    """Blurs the background of JPEG pictures of one size (width, height) with the network in the ONNX file ``network``.

    The large arrays are allocated once, and the picture is kept until the next one: memory that is returned to the system and
    requested again costs a page fault per 4 KiB.
    """

    def __init__(self, network: Path, size: tuple[int, int]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        given = self._session.get_inputs()[0]
        self._input, (_, rows, columns, _) = given.name, given.shape
        self._size, self._network_size = size, (columns, rows)
        shape = size[::-1]
        self._picture, self._background, self._shown = (np.empty((*shape, 3), np.uint8) for _ in range(3))
        self._alpha, self._rest = (np.empty(shape, np.float32) for _ in range(2))

    def process(self, jpeg: bytes) -> NDArray[np.uint8]:
        """Return the composite as I420."""
        picture = self._picture = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        alpha = cv2.resize(self._mask(picture), self._size, dst=self._alpha, interpolation=cv2.INTER_LINEAR)
        quarter = cv2.resize(picture, (self._size[0] // 4, self._size[1] // 4), interpolation=cv2.INTER_AREA)
        blurred = cv2.GaussianBlur(quarter, (0, 0), _BLUR * quarter.shape[0])
        background = cv2.resize(blurred, self._size, dst=self._background, interpolation=cv2.INTER_LINEAR)
        rest = np.subtract(np.float32(1), alpha, out=self._rest)
        shown = cv2.blendLinear(picture, background, alpha, rest, dst=self._shown)
        return np.asarray(cv2.cvtColor(shown, cv2.COLOR_BGR2YUV_I420), np.uint8)

    def _mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probability of a person, at the network's size."""
        small = cv2.cvtColor(cv2.resize(picture, self._network_size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
        scores = np.asarray(self._session.run(None, {self._input: np.float32(small[None]) / np.float32(255)})[0])[0]
        return np.asarray(1 / (1 + np.exp(scores[..., 0] - scores[..., 1])), np.float32)


def reference_cost(loop: ReferenceLoop, recording: Recording, seconds: float) -> float:
    """Return the CPU milliseconds per frame of the process while the loop takes the recording's buffers in real time."""
    interval, count = float(1 / recording.format.frame_rate), 0
    with one_opencv_thread():
        for buffer in recording.buffers[:5]:
            loop.process(buffer)
        start, cpu = time.monotonic(), time.process_time()
        while (now := time.monotonic()) < start + seconds:
            loop.process(recording.buffers[count % len(recording.buffers)])
            count += 1
            time.sleep(max(0.0, now + interval - time.monotonic()))
        return (time.process_time() - cpu) / count * 1000

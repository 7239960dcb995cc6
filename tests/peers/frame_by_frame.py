"""The way other tools remove the background of a video: U²-Net at 320x320 on each frame, whose mask is enlarged and blended.

It does not smooth over time, refine edges, keep sound or verify what it wrote: it is the least that such a tool does.
"""

import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from livebg.clock import one_opencv_thread
from livebg.sinks.codecs import Encoding

_SIDE: Final = 320
_MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION: Final = np.array([0.229, 0.224, 0.225], np.float32)
_GREEN: Final = np.array([0, 177, 64], np.float32)
Rgb = NDArray[np.uint8]


class FrameByFrame:
    """Renders a video over green with the network in the ONNX file ``network``, on one thread."""

    def __init__(self, network: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def cost(self, clip: Path, output: Path, frames: int) -> float:
        """Render the first ``frames`` of ``clip``. Returns the CPU milliseconds of the process per frame, without its start."""
        with one_opencv_thread():
            begin = time.process_time()
            count = self._render(clip, output, frames)
            return (time.process_time() - begin) / count * 1000

    def _render(self, clip: Path, output: Path, frames: int) -> int:
        encoding = Encoding()
        with av.open(clip) as source, av.open(output, "w") as sink:
            shape = source.streams.video[0]
            shape.thread_count = 1
            stream = sink.add_stream("libx264", rate=shape.average_rate or Fraction(30))
            stream.width, stream.height, stream.pix_fmt, stream.thread_count = shape.width, shape.height, "yuv420p", 1
            stream.options = {"preset": encoding.preset, "crf": str(encoding.crf)}
            count = 0
            for picture in self._pictures(islice(source.decode(shape), frames)):
                sink.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
                count += 1
            sink.mux(stream.encode(None))
        return count

    def _pictures(self, frames: Iterator[av.VideoFrame]) -> Iterator[Rgb]:
        for frame in frames:
            picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            alpha = self._mask(picture)[..., None]
            yield (picture * alpha + _GREEN * (1 - alpha)).astype(np.uint8)

    def _mask(self, picture: Rgb) -> NDArray[np.float32]:
        """Returns the mask at the size of ``picture``, 0..1, stretched to that range."""
        small = np.asarray(cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.float32)
        small = (small / max(float(small.max()), 1.0) - _MEAN) / _DEVIATION
        scores = np.asarray(self._session.run(None, {self._input: small.transpose(2, 0, 1)[None]})[0])[0, 0]
        mask = (scores - scores.min()) / max(float(np.ptp(scores)), 1e-6)
        return np.asarray(cv2.resize(mask, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)

"""Wraps several kinds of networks in one protocol for evaluation."""

import logging
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from livebg.errors import ModelError
from livebg.imaging.frame import Alpha
from livebg.models import LocatedModel, find
from livebg.segmentation.execution_providers import CPU
from livebg.segmentation.onnx_model import Size
from livebg.segmentation.ort import RUN_FAILURES, onnxruntime
from livebg.segmentation.u2net import U2NetSegmenter

_LOG: Final = logging.getLogger(__name__)
_NAME_WITH_SIZE: Final = re.compile(r"(?P<model>.+)@(?P<width>[1-9]\d{0,3})x(?P<height>[1-9]\d{0,3})")
_RECURRENT_PIXELS: Final = 512 * 288
_RECURRENT_STEP: Final = 16
_STATES: Final = ("r1", "r2", "r3", "r4")
_LOG_FATAL: Final = 4
Rgb = NDArray[np.uint8]
"""A picture, shape (height, width, 3)."""


class Network(Protocol):
    """A network on the CPU, on one thread. ``name`` is its name in tables."""

    name: str

    def input_size(self, width: int, height: int, wanted: Size | None = None) -> Size:
        """Return the input size (width, height) for a frame of the given size.

        ``wanted`` overrides the network's own choice; networks with a fixed size ignore it.
        """
        ...

    def alpha(self, image: Rgb) -> Alpha:
        """Return alpha, float32, (height, width), 0..1, of a picture of a size from :meth:`input_size`.

        Raises ModelError if the network fails.
        """
        ...

    def reset(self) -> None:
        """Discard the state, if the network has any: the next picture is unrelated to the last one."""
        return


def full_size_alpha(network: Network, picture: Rgb, wanted: Size | None = None) -> Alpha:
    """Return alpha at the size of ``picture`` after one inference, with the state of the preceding ones.

    ``wanted`` is the input size, if the network allows a choice.
    """
    height, width = picture.shape[:2]
    size = network.input_size(width, height, wanted)
    if size != (width, height):
        shrinks = size[0] <= width and size[1] <= height
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        picture = np.asarray(small, np.uint8)
    alpha = network.alpha(picture)
    if alpha.shape == (height, width):
        return alpha
    return np.asarray(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


class FamilyNetwork(Network):
    """A network that livebg can run: :class:`~livebg.segmentation.u2net.U2NetSegmenter`. ``size`` overrides its choice."""

    def __init__(self, name: str, model: LocatedModel, size: Size | None) -> None:
        self.name = name
        self._segmenter = U2NetSegmenter(model.path, model.card, input_size=size, provider="cpu", threads=1)

    def input_size(self, width: int, height: int, wanted: Size | None = None) -> Size:
        default_size = self._segmenter.input_size(width, height)
        one_size_only = self._segmenter.input_size(1280, 720) == self._segmenter.input_size(720, 1280)
        return default_size if wanted is None or one_size_only else wanted

    def alpha(self, image: Rgb) -> Alpha:
        return self._segmenter.segment(image)


class ChannelsLastNetwork(Network):
    """MediaPipe's interface: input 1xHxWx3, 0..1; output alpha 1xHxWx1, or logits 1xHxWx2 of background and person."""

    def __init__(self, name: str, model: LocatedModel, size: Size) -> None:
        self.name, self._path = name, model.path
        self._size = size
        self._session = _session(model.path, optimized=True)
        self._input, self._output = self._session.get_inputs()[0].name, self._session.get_outputs()[0].name

    def input_size(self, width: int, height: int, wanted: Size | None = None) -> Size:  # noqa: ARG002 - fixed input size
        return self._size

    def alpha(self, image: Rgb) -> Alpha:
        feed = {self._input: image[None].astype(np.float32) / np.float32(255)}
        output = _run(self._session, self._path, [self._output], feed)[0][0]
        if output.shape[2] == 1:
            return np.asarray(np.clip(output[..., 0], 0, 1), np.float32)
        background, person = output[..., 0], output[..., 1]
        return np.asarray(1 / (1 + np.exp(background - person)), np.float32)  # softmax over two classes


class RecurrentNetwork(Network):
    """Robust Video Matting's interface: input src and four states; output fgr, pha and the states for the next picture."""

    def __init__(self, name: str, model: LocatedModel, size: Size | None) -> None:
        self.name, self._path = name, model.path
        self._size = size
        self._session = _session(model.path, optimized=True)
        shapes = {entry.name: entry.shape for entry in self._session.get_inputs()}
        self._channels = [shapes[f"{state}i"][1] for state in _STATES]
        self._constants = {"downsample_ratio": np.ones(1, np.float32)} if "downsample_ratio" in shapes else {}
        self._states: list[NDArray[np.float32]] | None = None

    def input_size(self, width: int, height: int, wanted: Size | None = None) -> Size:
        if self._size or wanted:
            return self._size or wanted or (width, height)
        scale = math.sqrt(_RECURRENT_PIXELS / (width * height)) / _RECURRENT_STEP
        return max(round(width * scale), 2) * _RECURRENT_STEP, max(round(height * scale), 2) * _RECURRENT_STEP

    def alpha(self, image: Rgb) -> Alpha:
        states = self._states or self._initial_states(*image.shape[:2])
        source = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        feed = {"src": source, **self._constants, **{f"{name}i": state for name, state in zip(_STATES, states, strict=True)}}
        alpha, *self._states = _run(self._session, self._path, ["pha", *(f"{name}o" for name in _STATES)], feed)
        return np.asarray(np.clip(alpha[0, 0], 0, 1), np.float32)

    def reset(self) -> None:
        self._states = None

    def _initial_states(self, height: int, width: int) -> list[NDArray[np.float32]]:
        """Return zero states, of shape (1, 1, 1, 1) if the file does not fix the number of channels."""
        return [
            np.zeros((1, channels, -(-height >> level), -(-width >> level)), np.float32)
            if isinstance(channels, int)
            else np.zeros((1, 1, 1, 1), np.float32)
            for level, channels in enumerate(self._channels, start=1)
        ]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network to evaluate: its name in tables, its file, and a function that opens it and can be called repeatedly."""

    name: str
    path: Path
    open: Callable[[], Network]


def candidate(name_or_file: str, folders: Sequence[Path] = ()) -> Candidate:
    """Detect the kind of a network from the shapes of its inputs and outputs.

    ``name_or_file`` is a registry name or a file, optionally followed by ``@WxH`` for another input size. Raises
    :class:`~livebg.errors.ModelError` if the network does not exist. Unrecognized networks are passed to
    :class:`~livebg.segmentation.u2net.U2NetSegmenter`, which opens or rejects them.
    """
    match = _NAME_WITH_SIZE.fullmatch(name_or_file)
    size = (int(match["width"]), int(match["height"])) if match else None
    model = find(match["model"] if match else name_or_file, folders)
    name = f"{model.path.stem}@{size[0]}x{size[1]}" if size else model.path.stem
    session = _session(model.path, optimized=False)
    shapes = {entry.name: entry.shape for entry in session.get_inputs()}
    if {"src", *(f"{state}i" for state in _STATES)} <= shapes.keys():
        return Candidate(name, model.path, lambda: RecurrentNetwork(name, model, size))
    match list(shapes.values()):
        case [[1 | str() | None, int(height), int(width), 3]]:
            _require_classes(model.path, session)
            if size and size != (width, height):
                raise ModelError(f"{model.path} supports only {width}x{height}, not {size[0]}x{size[1]}.", "Remove the size.")
            return Candidate(name, model.path, lambda: ChannelsLastNetwork(name, model, (width, height)))
    return Candidate(name, model.path, lambda: FamilyNetwork(name, model, size))


def _require_classes(path: Path, session: Any) -> None:
    shape = session.get_outputs()[0].shape
    if len(shape) != 4 or shape[3] not in (1, 2):
        found = "x".join(map(str, shape))
        raise ModelError(f"{path} has an output of {found}, expected 1xHxWx1 or 1xHxWx2.", "Choose another network.")


def _session(path: Path, *, optimized: bool) -> Any:
    """Open the file on one CPU thread. Reading only its metadata needs no optimization."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _LOG_FATAL
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[CPU])
    except RUN_FAILURES as error:
        _LOG.debug("%s: %s", path, error)
        raise ModelError(f"{path} is not an ONNX network or is damaged.", "Download or copy it again.") from error


def _run(session: Any, path: Path, names: list[str], feed: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    try:
        outputs: list[NDArray[np.float32]] = session.run(names, feed)
    except RUN_FAILURES as error:
        _LOG.debug("%s: %s", path, error)
        raise ModelError(f"{path} failed on a picture.", "Choose another input size or network.") from error
    return outputs

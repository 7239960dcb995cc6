"""An ONNX file with the interface of a U²-Net: checked, given another input size, opened on a provider of onnxruntime."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from livebg.errors import ModelError
from livebg.segmentation.execution_providers import CPU
from livebg.segmentation.ort import RUN_FAILURES, onnxruntime

_LOG: Final = logging.getLogger(__name__)
_FATAL: Final = 4
_WIDEST: Final = 16_384
"""Pixels on a side of a network's picture; what asks for more is damaged, and would ask for all memory."""

Size = tuple[int, int]
"""(width, height) in pixels."""


class ResizingUnavailable(ModelError):
    """A network of one size cannot be given another: what that takes is not installed."""


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """A network at rest, for RGB pictures of ``size``, or of any size if None. ``metadata`` is what the file says of itself."""

    path: Path
    size: Size | None
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    content: bytes | None = None
    """The network where it is not what lies at ``path`` any more."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a file; raises ModelError when it is missing, no ONNX, damaged, or of another interface."""
        _require_readable(path)
        # A look at the interface needs no optimised graph.
        options = _session_options(threads=1)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            session = _open_session(path, options, CPU)
            # Names and texts that are no UTF-8 come to light only when they are asked for.
            inputs = [(entry.name, entry.type, entry.shape) for entry in session.get_inputs()]
            metadata = MappingProxyType(dict(session.get_modelmeta().custom_metadata_map))
        except RUN_FAILURES as error:
            _LOG.debug("%s: %s", path, error)
            raise ModelError(f"{path} is no ONNX network, or damaged: download or copy it again") from error
        if len(inputs) != 1:
            names = ", ".join(name if name.isprintable() else repr(name) for name, _, _ in inputs) or "none"
            raise ModelError(f"{path} takes {len(inputs)} inputs ({names}) where a U²-Net takes one: choose another network")
        _, kind, shape = inputs[0]
        if kind != "tensor(float)":
            raise ModelError(f"{path} takes {kind} where livebg feeds tensor(float): export the network with float32 input")
        return cls(path, _size(path, shape), metadata)

    def resized(self, size: Size | None) -> Self:
        """The same network for pictures of ``size``, or of any where None. Whether its graph can do that, a run has to show.

        Raises :class:`ResizingUnavailable` where the extra ``livebg[resize]`` is missing.
        """
        if self.size is None or self.size == size:
            return self
        try:
            import onnx  # no bundled network needs it
        except ImportError as error:
            own = _times(self.size)
            raise ResizingUnavailable(
                f"{self.path} is made for pictures of {own}, and onnx, which fits it to other sizes, is not installed:"
                f" run `pip install onnx`, or choose {own} or no input size"
            ) from error
        model = onnx.load(str(self.path))
        weights = {weight.name for weight in model.graph.initializer}  # older files list them among the inputs
        shape = next(entry for entry in model.graph.input if entry.name not in weights).type.tensor_type.shape
        for axis, length in zip((2, 3), size[::-1] if size else ("height", "width"), strict=True):
            dimension = shape.dim[axis]
            if isinstance(length, int):
                dimension.dim_value = length
            else:
                dimension.dim_param = length
        # What was written down of the old size would contradict the new one.
        del model.graph.value_info[:]
        del model.graph.output[1:]
        model.graph.output[0].type.tensor_type.ClearField("shape")
        return replace(self, size=size, content=model.SerializeToString())

    def open(self, provider: str, threads: int) -> "RunningNetwork":
        """Open on a provider by its full name; raises ModelError when that fails or something else would run the network."""
        try:
            session = _open_session(self.content or self.path, _session_options(threads), provider)
        except RUN_FAILURES as error:
            _LOG.debug("%s on %s: %s", self.path, provider, error)
            raise ModelError(
                f"{provider} cannot run {self.path} at this input size: choose the provider cpu, or another size"
            ) from error
        runs_on = session.get_providers()[0]
        if runs_on != provider:
            raise ModelError(
                f"{provider} does not work on this machine, where onnxruntime fell back to {runs_on}:"
                f" install its drivers and libraries, or choose the provider auto"
            )
        return RunningNetwork(self.path, provider, session)


@dataclass(frozen=True, slots=True)
class RunningNetwork:
    """A network that is open on ``provider``. It keeps nothing between runs, which may be made from several threads."""

    path: Path
    provider: str
    session: Any

    def run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """The first output, float32, shape (height, width), all finite, for float32 of shape (1, 3, height, width).

        Raises ModelError when the network fails, or gives anything else.
        """
        height, width = tensor.shape[2:]
        try:
            output = self.session.run([self.session.get_outputs()[0].name], {self.session.get_inputs()[0].name: tensor})[0]
        except RUN_FAILURES as error:
            _LOG.debug("%s at %dx%d: %s", self.path, width, height, error)
            raise ModelError(
                f"{self.path} fails on a picture of {width}x{height}: choose another input size or network"
            ) from error
        if not isinstance(output, np.ndarray) or output.dtype.kind != "f" or output.shape != (1, 1, height, width):
            found = f"{output.dtype} {_times(output.shape)}" if isinstance(output, np.ndarray) else "no tensor"
            raise ModelError(
                f"{self.path} gives {found} where 1x1x{height}x{width} of floats are expected for a picture of {width}x{height}:"
                f" choose another input size or network"
            )
        if not np.isfinite(output).all():
            raise ModelError(f"{self.path} gives numbers that are not finite (NaN or infinity): choose another network")
        alpha: NDArray[np.float32] = output[0, 0].astype(np.float32, copy=False)
        return alpha


def _require_readable(path: Path) -> None:
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise ModelError(f"the model file {path} cannot be read ({error.strerror}): give the path of an .onnx file") from error
    if empty:
        raise ModelError(f"the model file {path} is empty: download or copy it again")


def _size(path: Path, shape: list[int | str | None]) -> Size | None:
    """The size that the shape of the input fixes, or None. onnxruntime reports a free dimension as a name or None."""
    advice = "choose another network"
    match shape:
        case [1 | str() | None, 3, int(height), int(width)] if 0 < min(height, width) <= max(height, width) <= _WIDEST:
            return width, height
        case [1 | str() | None, 3, str() | None, _] | [1 | str() | None, 3, _, str() | None]:
            return None
        case [1 | str() | None, 4, _, _]:
            # Earlier exports took the alpha of the previous picture as a fourth channel.
            advice = "export the network for RGB alone, or choose another one"
    raise ModelError(f"{path} takes an input of {_times(shape)} where livebg feeds RGB, 1x3xHxW: {advice}")


def _session_options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _FATAL  # errors come as exceptions, and warnings are not for people
    # Threads that spin between pictures would burn a core for nothing.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _open_session(source: bytes | Path, options: Any, provider: str) -> Any:
    onnxruntime.set_default_logger_severity(_FATAL)
    return onnxruntime.InferenceSession(source, options, providers=[provider], enable_fallback=0)


def _times(shape: Sequence[int | str | None]) -> str:
    """Lengths, or what a file calls them."""
    return (
        "x".join("?" if length is None or not str(length).isprintable() else str(length) for length in shape) or "a single number"
    )

"""An ONNX file with the interface of a U²-Net: validation, other input sizes, and sessions on onnxruntime's providers."""

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
_FATAL_SEVERITY: Final = 4
_MAX_SIDE: Final = 16_384
"""Maximum side length of a network's input in pixels. A larger one is a sign of damage and would exhaust memory."""
_FREE_DIMENSIONS: Final = "width", "height"
"""Names of the free dimensions of livebg's networks. onnxruntime ignores names that a network does not have."""

Size = tuple[int, int]
"""(width, height) in pixels."""


class ResizeUnavailable(ModelError):
    """A network of fixed size cannot be resized because a package is missing."""


class RunFailed(ModelError):
    """The execution provider could not run the network on a picture."""


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A network that is not loaded, for RGB pictures of ``size``, or of any size if None. ``metadata`` is read from the file."""

    path: Path
    size: Size | None
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    content: bytes | None = None
    """The serialized network, if it differs from the file at ``path``."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and validate a file. Raises ModelError if it is missing, not ONNX, damaged, or has another interface."""
        _require_readable(path)
        # Reading the interface needs no optimized graph.
        options = _session_options(threads=1)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            session = _open_session(path, options, CPU)
            # Names and texts that are not valid UTF-8 raise only when accessed.
            inputs = [(entry.name, entry.type, entry.shape) for entry in session.get_inputs()]
            metadata = MappingProxyType(dict(session.get_modelmeta().custom_metadata_map))
        except RUN_FAILURES as error:
            _LOG.debug("%s: %s", path, error)
            raise ModelError(f"{path} is not an ONNX network or is damaged.", "Download or copy it again.") from error
        if len(inputs) != 1:
            names = ", ".join(name if name.isprintable() else repr(name) for name, _, _ in inputs) or "none"
            raise ModelError(f"{path} has {len(inputs)} inputs ({names}) but a U²-Net has one.", "Choose another network.")
        _, kind, shape = inputs[0]
        if kind != "tensor(float)":
            raise ModelError(
                f"{path} expects {kind} but livebg provides tensor(float).", "Export the network with float32 input."
            )
        return cls(path, _size(path, shape), metadata)

    def resized(self, size: Size | None) -> Self:
        """Return the same network for pictures of ``size``, or of any size if None. Only a run shows whether the graph supports
        it.

        Raises :class:`ResizeUnavailable` if the extra ``livebg[resize]`` is missing.
        """
        if self.size is None or self.size == size:
            return self
        try:
            import onnx  # not needed by the bundled network
        except ImportError as error:
            own = _format_shape(self.size)
            raise ResizeUnavailable(
                f"{self.path} has the fixed input size {own}, and onnx, which resizes it, is not installed."
                f" Run `pip install onnx`, or choose {own} or no input size."
            ) from error
        model = onnx.load(str(self.path))
        weights = {weight.name for weight in model.graph.initializer}  # older files list them among the inputs
        shape = next(entry for entry in model.graph.input if entry.name not in weights).type.tensor_type.shape
        for axis, length in zip((3, 2), size or _FREE_DIMENSIONS, strict=True):
            dimension = shape.dim[axis]
            if isinstance(length, int):
                dimension.dim_value = length
            else:
                dimension.dim_param = length
        # Shapes stored for the old size would contradict the new one.
        del model.graph.value_info[:]
        del model.graph.output[1:]
        model.graph.output[0].type.tensor_type.ClearField("shape")
        return replace(self, size=size, content=model.SerializeToString())

    def open(self, provider: str, threads: int, size: Size | None = None) -> "OnnxSession":
        """Open a session on a provider by its full name, with ``size`` for pictures of that size only: each takes less time.

        Raises ModelError if that fails or onnxruntime falls back to another provider.
        """
        options = _session_options(threads)
        for name, length in zip(_FREE_DIMENSIONS, size or (), strict=False):
            options.add_free_dimension_override_by_name(name, length)
        try:
            session = _open_session(self.content or self.path, options, provider)
        except RUN_FAILURES as error:
            _LOG.debug("%s on %s: %s", self.path, provider, error)
            self.read(self.path)  # raises if the file is damaged
            raise ModelError(
                f"{provider} cannot run {self.path} at this input size.", "Choose the provider cpu, or another size."
            ) from error
        runs_on = session.get_providers()[0]
        if runs_on != provider:
            raise ModelError(
                f"{provider} does not work on this machine: onnxruntime fell back to {runs_on}.",
                "Install its drivers and libraries, or choose the provider auto.",
            )
        return OnnxSession(self.path, provider, session, size)


@dataclass(frozen=True, slots=True)
class OnnxSession:
    """A network opened on ``provider`` for pictures of ``size``, or of any size if None. Stateless and thread-safe."""

    path: Path
    provider: str
    session: Any
    size: Size | None

    def run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the first output, float32, shape (height, width), all finite, for an input of float32, shape (1, 3, height,
        width).

        Raises :class:`RunFailed` if the network fails, and ModelError if its output has another form.
        """
        height, width = tensor.shape[2:]
        try:
            output = self.session.run([self.session.get_outputs()[0].name], {self.session.get_inputs()[0].name: tensor})[0]
        except RUN_FAILURES as error:
            _LOG.debug("%s at %dx%d: %s", self.path, width, height, error)
            raise RunFailed(
                f"{self.path} failed on a picture of {width}x{height}.", "Choose another input size or network."
            ) from error
        if not isinstance(output, np.ndarray) or output.dtype.kind != "f" or output.shape != (1, 1, height, width):
            found = f"{output.dtype} {_format_shape(output.shape)}" if isinstance(output, np.ndarray) else "no tensor"
            raise ModelError(
                f"{self.path} returned {found} instead of 1x1x{height}x{width} floats for a picture of {width}x{height}.",
                "Choose another input size or network.",
            )
        if not np.isfinite(output).all():
            raise ModelError(f"{self.path} returned values that are not finite (NaN or infinity).", "Choose another network.")
        alpha: NDArray[np.float32] = output[0, 0].astype(np.float32, copy=False)
        return alpha


def _require_readable(path: Path) -> None:
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise ModelError(
            f"The model file {path} cannot be read ({error.strerror}).", "Give the path of an .onnx file."
        ) from error
    if empty:
        raise ModelError(f"The model file {path} is empty.", "Download or copy it again.")


def _size(path: Path, shape: list[int | str | None]) -> Size | None:
    """Return the input size that the shape fixes, or None. onnxruntime reports a free dimension as a name or None."""
    advice = "Choose another network."
    match shape:
        case [1 | str() | None, 3, int(height), int(width)] if 0 < min(height, width) <= max(height, width) <= _MAX_SIDE:
            return width, height
        case [1 | str() | None, 3, str() | None, _] | [1 | str() | None, 3, _, str() | None]:
            return None
        case [1 | str() | None, 4, _, _]:
            # Earlier exports had the previous picture's alpha as a fourth channel.
            advice = "Export the network for RGB only, or choose another one."
    raise ModelError(f"{path} expects an input of {_format_shape(shape)} but livebg provides RGB, 1x3xHxW.", advice)


def _session_options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _FATAL_SEVERITY  # errors raise exceptions; warnings are of no use to users
    # Threads that spin between pictures would waste a core.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _open_session(source: bytes | Path, options: Any, provider: str) -> Any:
    onnxruntime.set_default_logger_severity(_FATAL_SEVERITY)
    return onnxruntime.InferenceSession(source, options, providers=[provider], enable_fallback=0)


def _format_shape(shape: Sequence[int | str | None]) -> str:
    """Format a shape; free dimensions appear by name."""
    return (
        "x".join("?" if length is None or not str(length).isprintable() else str(length) for length in shape) or "a single number"
    )

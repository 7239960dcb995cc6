"""Networks of known alpha that need no file, and synthetic sets of pictures, for the tests of the evaluation."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image

from livebg.imaging.frame import Alpha
from livebg.segmentation.onnx_model import Size

Rgb = NDArray[np.uint8]
AlphaOf = Callable[[Rgb], Alpha]


class KnownNetwork:
    """A network that is a function of the picture and records its inputs. ``size`` None: of any size."""

    def __init__(self, alpha_of: AlphaOf, *, size: Size | None = None) -> None:
        self.name = "known"
        self.shown: list[Size] = []
        self._alpha_of = alpha_of
        self._size = size

    def input_size(self, width: int, height: int, wanted: Size | None = None) -> Size:
        return self._size or wanted or (width, height)

    def alpha(self, image: Rgb) -> Alpha:
        self.shown.append((image.shape[1], image.shape[0]))
        return np.asarray(self._alpha_of(image), np.float32)

    def reset(self) -> None:
        """Nothing to reset."""


def bright_alpha(image: Rgb) -> Alpha:
    """Alpha 1 where the picture is bright, otherwise 0."""
    return np.asarray(image.mean(axis=2) > 127, np.float32)


def constant_alpha(value: float) -> AlphaOf:
    """The same alpha everywhere."""
    return lambda image: np.full(image.shape[:2], value, np.float32)


def save(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def save_pair(folder: Path, name: str, people: int, size: Size = (64, 48)) -> None:
    """A picture that is white in its ``people`` leftmost columns and black elsewhere, and the mask of that."""
    mask = np.zeros(size[::-1], np.uint8)
    mask[:, :people] = 255
    save(folder / "images" / f"{name}.png", np.repeat(mask[..., None], 3, axis=2))
    save(folder / "masks" / f"{name}.png", mask)


def write_channels_last(path: Path, classes: int, size: Size = (16, 12)) -> Path:
    """MediaPipe's interface: the mean of the channels; with two classes that is the person's logit, and -1 the background's."""
    width, height = size
    nodes = [helper.make_node("ReduceMean", ["picture"], ["mean"], axes=[3], keepdims=1)]
    parts = {1: ["mean"], 2: ["minus", "mean"]}.get(classes, ["mean"] * classes)
    nodes += [helper.make_node("Mul", ["mean", "nothing"], ["zero"]), helper.make_node("Sub", ["zero", "one"], ["minus"])]
    nodes += [helper.make_node("Concat", parts, ["alpha"], axis=3)]
    scalars = [helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in (("nothing", 0.0), ("one", 1.0))]
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, height, width, 3])
    alpha = helper.make_tensor_value_info("alpha", TensorProto.FLOAT, [1, height, width, classes])
    return _write(path, nodes, [picture], [alpha], scalars)


def write_recurrent(path: Path) -> Path:
    """Robust Video Matting's interface: pha is a tenth of the picture's red for each frame that has been seen, this one too."""
    states = [("r1", 2), ("r2", 3), ("r3", 4), ("r4", 1)]
    nodes = [
        *(helper.make_node("Add", [f"{name}i", "step"], [f"{name}o"]) for name, _ in states),
        helper.make_node("ReduceMean", ["r4o"], ["share"], keepdims=0),
        helper.make_node("Split", ["src", "ones"], ["red", "green", "blue"], axis=1),
        helper.make_node("Mul", ["red", "share"], ["pha"]),
        helper.make_node("Identity", ["src"], ["fgr"]),
    ]
    weights = [
        helper.make_tensor("step", TensorProto.FLOAT, [], [0.1]),
        helper.make_tensor("ones", TensorProto.INT64, [3], [1, 1, 1]),
    ]
    inputs = [_tensor("src", [1, 3, "h", "w"]), *(_tensor(f"{name}i", [1, n, f"h{name}", f"w{name}"]) for name, n in states)]
    outputs = [_tensor("fgr", [1, 3, "h", "w"]), _tensor("pha", [1, 1, "h", "w"])]
    outputs += [_tensor(f"{name}o", [1, n, f"h{name}", f"w{name}"]) for name, n in states]
    return _write(path, nodes, inputs, outputs, weights)


def _tensor(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _write(path: Path, nodes: list[object], inputs: list[object], outputs: list[object], weights: list[object]) -> Path:
    graph = helper.make_graph(nodes, "known", inputs, outputs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def save_archive(path: Path, names: Sequence[str]) -> None:
    """An archive of people: every picture is its own noise, with a person at its lower edge."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            draw = np.random.default_rng([path.stem.encode()[0], *name.encode()])
            noise = cv2.resize(draw.integers(0, 256, (8, 8, 3)).astype(np.uint8), (64, 48), interpolation=cv2.INTER_CUBIC)
            alpha = np.zeros((48, 64), np.uint8)
            alpha[12:, 20:44] = 255
            for folder, picture in (("images", noise), ("alpha", alpha)):
                archive.writestr(f"{folder}/{name}.webp", cv2.imencode(".webp", picture)[1].tobytes())

"""Quantizes to 8 bits: half the CPU time on recent processors; alpha changes by a few thousandths."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray

from livebg.lab.training.losses import Batch
from livebg.lab.training.rounding import avoid_ties
from livebg.segmentation.ort import quantization

KEPT = ("Sigmoid", "DepthToSpace", "shuffle")
"""Nodes that stay in float, by a part of their names: the last steps, which produce fine gradations of alpha."""


def quantised(path: Path, batches: Iterable[Batch]) -> None:
    """Rewrite the network at ``path`` with 8-bit weights and activations, calibrated on ``batches`` (0..1).

    Its alpha is the same on every x86-64 CPU. Weights use 7 of the 8 bits, because CPUs without VNNI instructions add two
    products in 16 bits, which would overflow. No sum is close to halfway between two levels, where CPUs with and without FMA
    instructions round differently.
    """
    library, preparation = quantization("quantization"), quantization("quantization.shape_inference")

    class Pictures(library.CalibrationDataReader):  # type: ignore[misc, name-defined]
        """Feeds pictures to onnxruntime one by one."""

        def __init__(self) -> None:
            self._feeds = _feeds(batches)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            return next(self._feeds, None)

    with TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        preparation.quant_pre_process(str(path), str(plain), skip_symbolic_shape=True)
        names = [node.name for node in onnx.load(str(plain)).graph.node]
        library.quantize_static(
            str(plain),
            str(path),
            Pictures(),
            quant_format=library.QuantFormat.QDQ,
            activation_type=library.QuantType.QUInt8,
            weight_type=library.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_exclude=[name for name in names if any(kept in name for kept in KEPT)],
        )
    model = onnx.load(str(path))
    avoid_ties(model)
    onnx.save(model, str(path))


def _feeds(batches: Iterable[Batch]) -> Iterator[dict[str, NDArray[np.float32]]]:
    for batch in batches:
        for picture in batch.picture.numpy():
            yield {"picture": picture[None]}

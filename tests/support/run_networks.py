"""``python -m tests.support.run_networks FOLDER``: opens and runs each network in it, and prints a line with the result for each.

A separate process, since onnxruntime may die of a file; who reads the lines sees which was the last.
"""

import json
import sys
from pathlib import Path

import numpy as np

from livebg.errors import ModelError
from livebg.models.registry import unknown_card
from livebg.segmentation.u2net import U2NetSegmenter


def outcome(path: Path) -> str:
    """``runs``, or the sentence with which it is refused."""
    try:
        segmenter = U2NetSegmenter(path, unknown_card(path.name), provider="cpu")
        width, height = segmenter.input_size(1280, 720)
        alpha = segmenter.segment(np.full((height, width, 3), 200, np.uint8))
    except ModelError as error:
        return str(error)
    assert alpha.shape == (height, width)
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    return "runs"


def main(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        sys.stdout.write(json.dumps({"file": path.name, "begins": True}) + "\n")
        sys.stdout.flush()
        sys.stdout.write(json.dumps({"file": path.name, "outcome": outcome(path)}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

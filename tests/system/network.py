"""A network that is fast under emulation: the person is always in the same place."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

ROWS, COLUMNS = slice(24, 66), slice(32, 96)
"""Where the person is, of the 72 rows and 128 columns of alpha."""
SIZE = (128, 72)


def write_network(path: Path) -> None:
    """Alpha is 1 in a block and 0 elsewhere, for any picture."""
    width, height = SIZE
    block = np.zeros((1, 1, height, width), np.float32)
    block[..., ROWS, COLUMNS] = 1
    nodes = [
        helper.make_node("ReduceMean", ["picture"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "block"], ["alpha"]),
    ]
    weights = [
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("block", TensorProto.FLOAT, block.shape, block.ravel()),
    ]
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, height, width])
    alpha = helper.make_tensor_value_info("alpha", TensorProto.FLOAT, [1, 1, height, width])
    graph = helper.make_graph(nodes, "block", [picture], [alpha], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))

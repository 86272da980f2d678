"""Run blocks of a how-to page where the packages that they need are installed: prints as JSON the
labels that its `suspect` gave for some images.

python run_howto.py BLOCKS.json IMAGES.npy [WEIGHTS.npz]
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import wmlearn as wm


def write_onnx(weights, path):
    """Write a shipped network as ONNX."""
    import onnx
    from onnx import helper, numpy_helper

    layers = {name.removeprefix("layers."): values for name, values in np.load(weights).items()}
    convolution = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    steps = [("Sub", ["0.mean"], {}), ("Div", ["0.std"], {})]
    for layer in (1, 3):
        steps += [("Conv", [f"{layer}.weight", f"{layer}.bias"], convolution), ("Relu", [], {})]
    steps += [
        ("Flatten", [], {}),
        ("Gemm", ["6.weight", "6.bias"], {"transB": 1}),
        ("Relu", [], {}),
    ]
    steps += [("Gemm", ["8.weight", "8.bias"], {"transB": 1})]
    nodes = []
    for number, (kind, given, options) in enumerate(steps):
        nodes.append(helper.make_node(kind, [f"x{number}", *given], [f"x{number + 1}"], **options))
    number = onnx.TensorProto.FLOAT
    image = helper.make_tensor_value_info("x0", number, ["n", 1, 28, 28])
    scores = helper.make_tensor_value_info(f"x{len(steps)}", number, ["n", 10])
    constants = [numpy_helper.from_array(values, name) for name, values in layers.items()]
    graph = helper.make_graph(nodes, "shipped", [image], [scores], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


if __name__ == "__main__":
    blocks, images = json.loads(Path(sys.argv[1]).read_text()), np.load(sys.argv[2])
    for weights in sys.argv[3:]:
        write_onnx(weights, "model.onnx")
    # Whoever holds the triggers verifies the answers.
    asking = SimpleNamespace(verify=lambda suspect, images: suspect(images), BlackBox=wm.BlackBox)
    names = {"wm": asking, "triggers": images}
    for block in blocks:
        exec(block, names)
    json.dump(np.asarray(names["verdict"]).tolist(), sys.stdout)

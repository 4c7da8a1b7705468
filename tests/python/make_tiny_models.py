"""Writes the tiny ONNX models and the paste reference of the preprocessor's tests into preprocess/tests/fixtures.

Needs onnx, numpy, torch and torchvision; the tests themselves need none of them. Run from anywhere:

    python tests/python/make_tiny_models.py
"""

import json
import pathlib

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torchvision.models.detection.roi_heads import paste_masks_in_image

OUT = pathlib.Path(__file__).resolve().parents[2] / "preprocess" / "tests" / "fixtures"
OPSET = [helper.make_opsetid("", 17)]

# Four detections in a 16 x 12 input: two cars, a truck (not kept), a person below the lowest score.
BOXES = np.array([[2, 3, 10, 9], [8, 1, 15, 5], [0, 0, 15, 11], [1, 1, 5, 5]], np.float32)
LABELS = np.array([3, 3, 8, 1], np.int64)
SCORES = np.array([0.9, 0.6, 0.8, 0.01], np.float32)


def disc(height, width):
    """Probabilities that fall off from the middle."""
    y, x = np.mgrid[:height, :width]
    y, x = (y + 0.5) / height * 2 - 1, (x + 0.5) / width * 2 - 1
    return np.clip(1.4 - np.sqrt(x * x + y * y), 0, 1).astype(np.float32)


def constant(name, array):
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))


def save(name, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    model = helper.make_model(graph, opset_imports=OPSET, ir_version=8)
    onnx.checker.check_model(model)
    path = OUT / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    print(path.name, path.stat().st_size)


def tensor(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def instance(name, masks, mask_shape, boxes=BOXES, label_kind=np.int64, labels_name="labels", input_shape=(3, 12, 16)):
    """Constant outputs; scores are SCORES times the mean of the input, so that pixels count."""
    count = len(boxes)
    kinds = {np.int64: TensorProto.INT64, np.int32: TensorProto.INT32}
    nodes = [
        constant("boxes", boxes),
        constant(labels_name, LABELS[:count].astype(label_kind)),
        constant("masks", masks),
        constant("weights", SCORES[:count]),
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["weights", "mean"], ["scores"]),
    ]
    outputs = [
        tensor("boxes", TensorProto.FLOAT, ["n", boxes.shape[1]]),
        tensor(labels_name, kinds[label_kind], ["n"]),
        tensor("scores", TensorProto.FLOAT, ["n"]),
        tensor("masks", TensorProto.FLOAT, mask_shape),
    ]
    save(name, nodes, [tensor("image", TensorProto.FLOAT, input_shape)], outputs)


def semantic(name, channels=19, input_kind=TensorProto.FLOAT, shape=(1, 3, "h", "w")):
    """Logits of a quarter of the resolution: channel 0 red, 1 green, 2 blue, 13 half the sum; the others low."""
    weights = np.zeros((channels, 3, 1, 1), np.float32)
    for channel in range(3):
        weights[channel, channel] = 1
    weights[13 % channels] += 0.55
    bias = np.full(channels, -1, np.float32)
    bias[[0, 1, 2, 13 % channels]] = 0
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Conv", ["pooled", "weights", "bias"], ["logits"]),
    ]
    initializers = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")]
    output = tensor("logits", TensorProto.FLOAT, [1, channels, "p", "q"])
    save(name, nodes, [tensor("image", input_kind, shape)], [output], initializers)


def ramp(name):
    """Logits that depend on the place in the crop: channel 0 is red and a number for the column and one for the row,
    channel 1 is green; the others low."""
    columns = np.array([-3.5, -2, -2, 1, 1, 1, 3, 3], np.float32)
    rows = np.array([0, 0, 3, -3.5], np.float32)
    places = np.zeros((1, 19, 4, 8), np.float32)
    places[0, 0] = columns[None, :] + rows[:, None]
    places[0, 2:] = -9
    weights = np.zeros((19, 3, 1, 1), np.float32)
    weights[0, 0] = weights[1, 1] = 1
    nodes = [
        helper.make_node("Conv", ["image", "weights"], ["colors"]),
        helper.make_node("Add", ["colors", "places"], ["logits"]),
    ]
    initializers = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(places, "places")]
    inputs = [tensor("image", TensorProto.FLOAT, [1, 3, 4, 8])]
    save(name, nodes, inputs, [tensor("logits", TensorProto.FLOAT, [1, 19, 4, 8])], initializers)


def labels(name):
    """A label map of the input's size out of a u8 NHWC picture: red / 16."""
    nodes = [
        constant("sixteen", np.array(16, np.uint8)),
        constant("zero", np.array(0, np.int64)),
        helper.make_node("Gather", ["image", "zero"], ["red"], axis=3),
        helper.make_node("Div", ["red", "sixteen"], ["labels"]),
    ]
    inputs = [tensor("image", TensorProto.UINT8, [1, "h", "w", 3])]
    save(name, nodes, inputs, [tensor("labels", TensorProto.UINT8, [1, "h", "w"])])


def paste_reference():
    """torchvision's pasted probabilities for boxes inside, across the border, tiny, and turned inside out."""
    generator = torch.Generator().manual_seed(1)
    height, width = 20, 30
    boxes = torch.tensor(
        [
            [3.2, 4.7, 17.9, 15.1],
            [-6.5, -3.25, 8.0, 9.5],
            [20.1, 10.4, 41.0, 33.3],
            [12.0, 6.0, 12.4, 6.3],
            [-40.0, -40.0, 90.0, 80.0],
            [50.0, 50.0, 60.0, 60.0],
            [18.0, 14.0, 10.0, 4.0],
        ]
    )
    masks = torch.rand(len(boxes), 1, 28, 28, generator=generator)
    # Smooth, so that the pasted pixels are not all near the threshold.
    masks = torch.nn.functional.interpolate(masks[:, :, ::9, ::9], (28, 28), mode="bicubic").clamp(0, 1)
    masks = (masks * 1000).round() / 1000
    pasted = paste_masks_in_image(masks, boxes, (height, width))
    cases = []
    for box, mask, pixels in zip(boxes, masks, pasted):
        assert (pixels - 0.5).abs().min() > 1e-5, "no pixel may stand on the threshold"
        inside = (pixels[0] >= 0.5).numpy()
        cases.append(
            {
                "box": box.tolist(),
                "rows": ["".join("#" if value else "." for value in row) for row in inside],
                "mask": [round(value, 3) for value in mask.flatten().tolist()],
            }
        )
    text = json.dumps({"height": height, "width": width, "cases": cases}, separators=(",", ":"))
    (OUT / "paste.json").write_text(text.replace('{"box"', '\n{"box"') + "\n")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    roi = np.broadcast_to(disc(28, 28), (4, 1, 28, 28)).copy()
    full = np.broadcast_to(disc(12, 16), (4, 1, 12, 16)).copy()
    instance("instance-roi", roi, ["n", 1, 28, 28])
    instance("instance-full", full, ["n", 1, 12, 16])
    instance("instance-labels-i32", roi[:1], ["n", 1, 28, 28], BOXES[:1], label_kind=np.int32)
    instance("instance-other-names", roi[:1], ["n", 1, 28, 28], BOXES[:1], labels_name="classes")
    instance("instance-boxes-5", roi[:1], ["n", 1, 28, 28], np.zeros((1, 5), np.float32))
    instance("instance-count", roi[:1], ["n", 1, 28, 28], BOXES[:2])
    semantic("semantic-logits")
    semantic("semantic-fixed", shape=(1, 3, 8, 16))
    semantic("semantic-21", channels=21)
    ramp("semantic-ramp")
    labels("semantic-labels")
    paste_reference()


if __name__ == "__main__":
    main()

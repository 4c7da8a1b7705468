"""Weights of an exported demo network back into its PyTorch module, to train on from the committed file.

The export folds batch normalization into the convolution before it, so the statistics are gone. The convolution gets the
folded weights and the normalization becomes the identity plus the folded bias: the same function in evaluation mode,
and the same to train on with frozen statistics (`train_demo.py --frozen-norm`).
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

LAYERS = {"Conv": nn.Conv2d, "ConvTranspose": nn.ConvTranspose2d, "Gemm": nn.Linear}


def load_onnx(net: nn.Module, graph: nn.Module, example: Tensor, path: Path) -> int:
    """Fills `net`, which runs inside `graph`, from the file; returns how many layers were filled.

    Layers are matched by the order in which they run, which is the order of the nodes in the file.
    """
    model = onnx.load(str(path)).graph
    values = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in model.initializer}
    nodes = [node for node in model.node if node.op_type in LAYERS]
    ran = _layers_in_order(graph, example)
    if [LAYERS[node.op_type] for node in nodes] != [type(layer) for layer in ran]:
        raise ValueError(f"cannot load {path}: expected {len(ran)} layers as the network runs them, got {len(nodes)} nodes")
    norms = _norms_by_convolution(net)
    filled = set()
    for node, layer in zip(nodes, ran):
        if layer in filled:
            continue  # one head on every level of the pyramid
        weight = values[node.input[1]]
        bias = values[node.input[2]] if len(node.input) > 2 else None
        if weight.shape != layer.weight.shape:
            raise ValueError(f"cannot load {path}: {node.name}: expected {tuple(layer.weight.shape)}, got {tuple(weight.shape)}")
        with torch.no_grad():
            layer.weight.copy_(weight)
            if layer.bias is not None:
                layer.bias.copy_(bias)
            elif layer in norms:
                norm = norms[layer]
                norm.running_mean.zero_()
                norm.running_var.fill_(1.0 - norm.eps)
                norm.weight.fill_(1.0)
                norm.bias.copy_(bias)
        filled.add(layer)
    return len(filled)


def _layers_in_order(graph: nn.Module, example: Tensor) -> list[nn.Module]:
    ran: list[nn.Module] = []
    hooks = [
        layer.register_forward_hook(lambda module, _inputs, _output: ran.append(module))
        for layer in graph.modules()
        if isinstance(layer, tuple(LAYERS.values()))
    ]
    with torch.no_grad():
        graph.eval()(example)
    for hook in hooks:
        hook.remove()
    return ran


def _norms_by_convolution(net: nn.Module) -> dict[nn.Module, nn.BatchNorm2d]:
    """In these networks every batch normalization stands right behind its convolution in a sequence."""
    found = {}
    for block in net.modules():
        if isinstance(block, nn.Sequential):
            layers = list(block)
            for layer, follower in zip(layers, layers[1:]):
                if isinstance(follower, nn.BatchNorm2d):
                    found[layer] = follower
    return found

"""Exports a network to ONNX, checks it against PyTorch, and writes its spec file beside it.

    python export_onnx.py demo-mask-rcnn --weights work/instances.pt
    python export_onnx.py demo-pspnet    --weights work/semantic.pt
    python export_onnx.py mask-rcnn-r50-fpn --weights maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth
    python export_onnx.py pspnet-r50-cityscapes --weights my-pspnet.pt

Without --weights a full-size network gets random ones. The Mask R-CNN stops before the masks are pasted unless
--full-masks is given.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
from torch import nn

from demo_networks import HEIGHT, IMAGENET_DEVIATION, IMAGENET_MEAN, WIDTH, DemoPspNet, demo_mask_rcnn
from full_networks import mask_rcnn_r50, psp_net_r50
from mask_rcnn_graph import OUTPUTS, ExportedMaskRcnn
from model_spec import Spec, digest, spec_text
from street_world import resize_picture

MODELS = Path(__file__).resolve().parents[2] / "data-manifests" / "models"
DEMO_SIZE = (WIDTH, HEIGHT)
# RoiAlign above opset 15 has no CUDA kernel in ONNX Runtime and would run on the CPU.
OPSET = 15
NO_SCALING = {"mean": (0.0, 0.0, 0.0), "deviation": (1.0, 1.0, 1.0)}  # torchvision normalizes inside the graph
IMAGENET = {"mean": IMAGENET_MEAN, "deviation": IMAGENET_DEVIATION}
USERS_OWN = "`preprocess/export/export_onnx.py {name}` makes the model and writes this file anew with its digest.\n"


def demo_instances(args: argparse.Namespace) -> tuple[nn.Module, Spec]:
    net = demo_mask_rcnn()
    net.load_state_dict(torch.load(args.weights, weights_only=True))
    remark = "Small Mask R-CNN for rendered streets (`suw-preprocess synth`) only; trained by preprocess/export/train_demo.py."
    return _instance(net, args, remark=remark, resize="fixed")


def demo_semantic(args: argparse.Namespace) -> tuple[nn.Module, Spec]:
    net = DemoPspNet()
    net.load_state_dict(torch.load(args.weights, weights_only=True))
    remark = "Small PSPNet for rendered streets (`suw-preprocess synth`) only; trained by preprocess/export/train_demo.py."
    return _semantic(net.eval(), args, remark=remark, resize="fixed")


def full_instances(args: argparse.Namespace) -> tuple[nn.Module, Spec]:
    remark = USERS_OWN.format(name=args.model) + "torchvision maskrcnn_resnet50_fpn; 1344x416 is the scale torchvision itself uses for KITTI."
    return _instance(mask_rcnn_r50(args.size, args.weights, args.score), args, remark=remark, resize="letterbox")


def full_semantic(args: argparse.Namespace) -> tuple[nn.Module, Spec]:
    remark = USERS_OWN.format(name=args.model) + "PSPNet on ResNet-50, Cityscapes train ids."
    return _semantic(psp_net_r50(args.size, args.weights), args, remark=remark, resize="letterbox")


def _instance(net: nn.Module, args: argparse.Namespace, *, remark: str, resize: str) -> tuple[nn.Module, Spec]:
    net.roi_heads.score_thresh = args.score
    graph = ExportedMaskRcnn(net, args.size, full_masks=args.full_masks)
    form = "full" if args.full_masks else "roi"
    return graph.eval(), Spec("instance", args.model, "coco91", "chw", **NO_SCALING, resize=resize, size=args.size,
                              mask_form=form, remark=remark)


def _semantic(net: nn.Module, args: argparse.Namespace, *, remark: str, resize: str) -> tuple[nn.Module, Spec]:
    return net, Spec("semantic", args.model, "cityscapes", "nchw", **IMAGENET, resize=resize, size=args.size, remark=remark)


# Name: who builds it, and the input size it is made for. Both full sizes suit KITTI's 1242x375 letterboxed; 1248x384
# divides evenly into PSPNet's 6 bins at stride 8.
KNOWN = {
    "demo-mask-rcnn": (demo_instances, DEMO_SIZE),
    "demo-pspnet": (demo_semantic, DEMO_SIZE),
    "mask-rcnn-r50-fpn": (full_instances, (1344, 416)),
    "pspnet-r50-cityscapes": (full_semantic, (1248, 384)),
}


def network_input(picture: np.ndarray, spec: Spec) -> np.ndarray:
    """u8 [H,W,3] RGB to the network's f32 input, by the spec's resize policy and normalization."""
    width, height = spec.size
    if spec.resize == "letterbox":
        ratio = min(width / picture.shape[1], height / picture.shape[0])
        inner = (min(width, round(picture.shape[1] * ratio)), min(height, round(picture.shape[0] * ratio)))
    else:
        inner = spec.size
    x = resize_picture(picture, inner).astype(np.float32) / 255.0
    x = (x - np.array(spec.mean, np.float32)) / np.array(spec.deviation, np.float32)
    canvas = np.zeros((height, width, 3), np.float32)  # padding is 0 after normalization
    canvas[: inner[1], : inner[0]] = x
    chw = np.ascontiguousarray(canvas.transpose(2, 0, 1))
    return chw if spec.layout == "chw" else chw[None]


def export(net: nn.Module, spec: Spec, example: np.ndarray, path: Path) -> None:
    """Writes the ONNX file with the legacy exporter; the new one fails on torchvision's Mask R-CNN."""
    outputs = OUTPUTS if spec.role == "instance" else ["logits"]
    axes = {}
    if spec.role == "instance":
        axes = {name: {0: "n"} for name in outputs}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing a fixed size on purpose
        torch.onnx.export(net, (torch.from_numpy(example),), str(path), dynamo=False, opset_version=OPSET,
                          input_names=["image"], output_names=outputs, dynamic_axes=axes, do_constant_folding=True)


def compare(net: nn.Module, session: onnxruntime.InferenceSession, x: np.ndarray) -> dict[str, float]:
    """Largest absolute difference of each output between PyTorch and ONNX Runtime."""
    with torch.no_grad():
        ours = net(torch.from_numpy(x))
    ours = [o.numpy() for o in (ours if isinstance(ours, tuple) else (ours,))]
    theirs = session.run(None, {"image": x})
    worst = {}
    for output, a, b in zip(session.get_outputs(), ours, theirs):
        if a.shape != b.shape:
            raise ValueError(f"cannot trust export: output {output.name!r} is {b.shape} in ONNX Runtime, {a.shape} in PyTorch")
        worst[output.name] = float(np.abs(a.astype(np.float64) - b).max()) if a.size else 0.0
    return worst


def pictures(args: argparse.Namespace) -> list[np.ndarray]:
    """Up to eight pictures to compare on; noise where none is given."""
    files = sorted(f for root in args.frames for f in root.rglob("*.png") if f.parent.name == "data")
    chosen = [files[i * len(files) // 8] for i in range(8)] if len(files) >= 8 else files
    found = [cv2.cvtColor(cv2.imread(str(f), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB) for f in chosen]
    if not found:
        found = [np.random.default_rng(1).integers(0, 256, (args.size[1], args.size[0], 3), np.uint8)]
    return found


def parse_size(text: str) -> tuple[int, int]:
    """"1344x416" to (1344, 416)."""
    width, height = text.lower().split("x")
    return int(width), int(height)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=list(KNOWN))
    parser.add_argument("--weights", type=Path, help="state dict; needed for the demo networks")
    parser.add_argument("--out", type=Path, help="ONNX file (default: data-manifests/models/<model>.onnx)")
    parser.add_argument("--size", type=parse_size, help="input WIDTHxHEIGHT (full-size networks)")
    parser.add_argument("--score", type=float, default=0.1, help="lowest score that leaves the Mask R-CNN graph")
    parser.add_argument("--full-masks", action="store_true", help="paste the masks inside the graph")
    parser.add_argument("--frames", type=Path, nargs="*", default=[], help="folders with real frames to compare on")
    args = parser.parse_args()
    make, default_size = KNOWN[args.model]
    args.size = args.size or default_size
    if args.model.startswith("demo-") and (args.weights is None or args.size != DEMO_SIZE):
        parser.error(f"{args.model} needs --weights and is always {WIDTH}x{HEIGHT}")
    torch.manual_seed(1)
    net, spec = make(args)
    path = args.out or MODELS / f"{args.model}.onnx"
    inputs = [network_input(p, spec) for p in pictures(args)]
    export(net, spec, inputs[0], path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    session.run(None, {"image": np.zeros_like(inputs[0])})  # a picture with nothing on it must work as well
    worst = [compare(net, session, x) for x in inputs]
    for name in worst[0]:
        print(f"{name}: PyTorch and ONNX Runtime differ by at most {max(w[name] for w in worst):.1e} on {len(inputs)} pictures")
    spec_file = path.with_suffix(".toml")
    spec_file.write_text(spec_text(spec, path.name, digest(path)))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, blake3 {digest(path)}; spec {spec_file}")


if __name__ == "__main__":
    main()

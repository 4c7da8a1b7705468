"""Trains the demo networks on rendered drives, on the CPU, with fixed seeds.

The PSPNet comes first; the Mask R-CNN starts from its backbone.

    python train_demo.py semantic  --data street-train --out work/semantic.pt
    python train_demo.py instances --data street-train --out work/instances.pt --backbone work/semantic.pt
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demo_networks import (
    HEIGHT, IMAGENET_DEVIATION, IMAGENET_MEAN, SEMANTIC_CLASSES, WIDTH, DemoPspNet, demo_mask_rcnn, share_backbone,
)
from mask_rcnn_graph import ExportedMaskRcnn
from onnx_weights import load_onnx
from street_world import UNLABELLED, Frame, augment, detection_target, read_frames


def images(frames: list[Frame]) -> Tensor:
    """f32 [n,3,H,W] in [0,1]."""
    return torch.from_numpy(np.stack([f.image for f in frames])).permute(0, 3, 1, 2).float() / 255.0


def normalized(batch: Tensor) -> Tensor:
    """ImageNet mean and deviation, channels last in memory (faster on the CPU)."""
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return ((batch - mean) / deviation).contiguous(memory_format=torch.channels_last)


def semantic_loss(net: nn.Module, frames: list[Frame], *, bfloat16: bool) -> dict[str, Tensor]:
    """Cross entropy, and one minus the soft IoU over the classes present (what is measured in the end).

    The second needs probabilities of every class, so it looks at every other row and column.
    """
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        logits = net(normalized(images(frames)))
    logits = logits.float()
    truth = torch.from_numpy(np.stack([f.semantic for f in frames])).long()
    entropy = F.cross_entropy(logits, truth, ignore_index=UNLABELLED)
    return {"entropy": entropy, "overlap": 0.5 * (1.0 - soft_iou(logits[..., ::2, ::2], truth[:, ::2, ::2]))}


def soft_iou(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean over the classes present of the IoU with probabilities in the place of yes and no."""
    known = (truth != UNLABELLED).unsqueeze(1)
    share = logits.softmax(dim=1) * known
    target = F.one_hot(truth.clamp(max=SEMANTIC_CLASSES - 1), SEMANTIC_CLASSES).permute(0, 3, 1, 2) * known
    both, true = (share * target).sum((0, 2, 3)), target.sum((0, 2, 3))
    return (both / (share.sum((0, 2, 3)) + true - both))[true > 0].mean()


def instance_loss(net: nn.Module, frames: list[Frame], min_area: int) -> dict[str, Tensor]:
    """torchvision's five losses: objectness, RPN boxes, classes, boxes, masks."""
    targets = []
    for frame in frames:
        boxes, labels, masks = (torch.from_numpy(a) for a in detection_target(frame, min_area))
        targets.append({"boxes": boxes, "labels": labels, "masks": masks})
    return net(list(images(frames)), targets)


class Average:
    """Exponential mean of all weights and statistics: steadier than the last step's."""

    def __init__(self, net: nn.Module) -> None:
        self.net = copy.deepcopy(net).eval()

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        keep = min(0.995, (step + 1) / (step + 10))
        for mine, other in zip(self.net.state_dict().values(), net.state_dict().values()):
            if mine.is_floating_point():
                mine.lerp_(other, 1.0 - keep)
            else:
                mine.copy_(other)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Short warm-up, then half a cosine down to 2 %."""
    warm = min(100, steps // 10 + 1)
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm))))


def build(args: argparse.Namespace) -> nn.Module:
    """The untrained network, or one continued from a checkpoint."""
    net = DemoPspNet() if args.task == "semantic" else demo_mask_rcnn()
    if args.start and args.start.suffix == ".onnx":
        instances = args.task == "instances"
        graph = ExportedMaskRcnn(net, (WIDTH, HEIGHT), full_masks=False) if instances else net
        example = torch.rand(3, HEIGHT, WIDTH) if instances else torch.rand(1, 3, HEIGHT, WIDTH)
        print(f"start: {load_onnx(net, graph, example, args.start)} layers from {args.start}")
    elif args.start:
        net.load_state_dict(torch.load(args.start, weights_only=True))
    elif args.task == "instances" and args.backbone:
        source = DemoPspNet()
        source.load_state_dict(torch.load(args.backbone, weights_only=True))
        print(f"backbone: {share_backbone(source, net)} tensors from {args.backbone}")
    if args.task == "instances":
        net.backbone.bfloat16 = net.rpn.head.bfloat16 = args.bfloat16
    return net.to(memory_format=torch.channels_last)


def to_training(net: nn.Module, *, frozen_norm: bool) -> nn.Module:
    """Training mode; with `frozen_norm` the statistics of batch normalization stay as they are."""
    net.train()
    for layer in net.modules():
        if frozen_norm and isinstance(layer, nn.BatchNorm2d):
            layer.eval()
    return net


def publish(net: nn.Module, path: Path) -> None:
    """Writes beside, then renames: a reader never sees half a checkpoint."""
    beside = path.with_suffix(".part")
    torch.save({name: t.contiguous() for name, t in net.state_dict().items()}, beside)
    beside.replace(path)


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(args.seed)
    frames = read_frames(args.data, (WIDTH, HEIGHT), args.keep_every)
    net = to_training(build(args), frozen_norm=args.frozen_norm)
    average = Average(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=1e-3)
    print(f"{args.task}: {len(frames)} frames, {sum(p.numel() for p in net.parameters())} weights, {args.steps} steps")
    order: list[int] = []
    since, sums = time.monotonic(), {}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    for step in range(args.steps):
        if len(order) < args.batch:
            order += rng.permutation(len(frames)).tolist()
        batch = [augment(frames[order.pop(0)], rng, args.augment) for _ in range(args.batch)]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.lr)
        if args.task == "semantic":
            losses = semantic_loss(net, batch, bfloat16=args.bfloat16)
        else:
            losses = instance_loss(net, batch, args.min_area)
        total = sum(losses.values())
        if not torch.isfinite(total):
            values = {name: float(value.detach()) for name, value in losses.items()}
            raise FloatingPointError(f"cannot go on: loss is not finite at step {step}: {values}")
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        average.update(net, step)
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if (step + 1) % args.report_every == 0 or step + 1 == args.steps:
            n = (step % args.report_every) + 1
            terms = "  ".join(f"{name} {value / n:.4f}" for name, value in sums.items())
            print(f"step {step + 1}  {terms}  {(time.monotonic() - since) / n:.3f} s/step", flush=True)
            since, sums = time.monotonic(), {}
            publish(average.net, args.out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["semantic", "instances"])
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of `suw-preprocess synth`")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint (averaged weights), kept current")
    parser.add_argument("--start", type=Path, help="checkpoint, or exported .onnx, to continue from")
    parser.add_argument("--frozen-norm", action="store_true",
                        help="keep the statistics of batch normalization; needed behind an .onnx, which has none")
    parser.add_argument("--backbone", type=Path, help="PSPNet checkpoint whose backbone the Mask R-CNN starts from")
    parser.add_argument("--keep-every", type=int, default=1, help="use every n-th frame of each folder")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--min-area", type=int, default=30, help="objects with fewer visible pixels are background")
    parser.add_argument("--augment", type=float, default=1.0, help="0..1; less for the last steps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bfloat16", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--report-every", type=int, default=50)
    train(parser.parse_args())


if __name__ == "__main__":
    main()

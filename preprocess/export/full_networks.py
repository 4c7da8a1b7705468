"""The full-size networks: torchvision's Mask R-CNN and a PSPNet, both on ResNet-50.

Weights come from a file of the user's, or are random: good for trying speed and shapes, not for looking at.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import resnet50
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn

from pyramid_pooling import PyramidPooling

SEMANTIC_CLASSES = 19


def mask_rcnn_r50(size: tuple[int, int], weights: Path | None, score_threshold: float) -> MaskRCNN:
    """torchvision's `maskrcnn_resnet50_fpn`, 91 COCO classes, for pictures of exactly (width, height)."""
    net = maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        min_size=min(size),
        max_size=max(size),
        box_score_thresh=score_threshold,
    )
    if weights is not None:
        net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        # torchvision runs its published COCO weights with an epsilon of 0 in the backbone.
        for module in net.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
    return net.eval()


class PspNetR50(nn.Module):
    """PSPNet (Zhao et al. 2017) on a ResNet-50 dilated to stride 8.

    In: [1,3,H,W], H and W multiples of 8, ImageNet-normalized. Out: logits [1,19,H/8,W/8].
    A weights file is a state dict with this module's names: `backbone.*` as in torchvision's ResNet-50,
    `pyramid.reduce.I.{0,1}` (convolution, batch norm; bins 1, 2, 3, 6), `fuse.{0,1}`, `classify`.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        width, height = size
        if width % 8 or height % 8:
            raise ValueError(f"cannot build PSPNet: size {width}x{height} is no multiple of 8")
        self.backbone = resnet50(weights=None, replace_stride_with_dilation=[False, True, True])
        self.backbone.fc = nn.Identity()
        self.pyramid = PyramidPooling(2048, 512, (height // 8, width // 8))
        self.fuse = nn.Sequential(
            nn.Conv2d(self.pyramid.outputs, 512, 3, padding=1, bias=False), nn.BatchNorm2d(512), nn.ReLU()
        )
        self.classify = nn.Conv2d(512, SEMANTIC_CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        net = self.backbone
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        x = net.layer4(net.layer3(net.layer2(net.layer1(x))))
        return self.classify(self.fuse(self.pyramid(x)))


def psp_net_r50(size: tuple[int, int], weights: Path | None) -> PspNetR50:
    """The network in evaluation mode, with the user's weights or random ones."""
    net = PspNetR50(size)
    if weights is not None:
        net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return net.eval()

"""The two small networks of the demo: a true Mask R-CNN and a true PSPNet on one thin residual backbone.

Both see 416x128 pictures and stay below 10 MB as float32 ONNX files.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import AnchorGenerator, RPNHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

from pyramid_pooling import PyramidPooling

WIDTH, HEIGHT = 416, 128
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
INSTANCE_CLASSES = 4  # background, then COCO 1 person, 2 bicycle, 3 car
SEMANTIC_CLASSES = 19  # Cityscapes train ids

STEM, STAGE1, STAGE2, STAGE3, STAGE4 = 24, 40, 64, 96, 128


def conv_bn(inputs: int, outputs: int, stride: int = 1, dilation: int = 1, kernel: int = 3) -> nn.Sequential:
    """Convolution, batch normalization, ReLU; keeps the size but for the stride."""
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Basic residual block: two 3x3 convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.first = conv_bn(inputs, outputs, stride, dilation)
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, 1, dilation, dilation, bias=False), nn.BatchNorm2d(outputs)
        )
        self.shortcut = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


class ThinResNet(nn.Module):
    """Residual backbone; the features of the stem (stride 2) and of each stage.

    Stages have strides 4, 8, 16, 32; `dilated` keeps stage 3 at stride 8 with dilation 2 and leaves stage 4
    away (PSPNet). The weights have the same names and shapes either way.
    """

    def __init__(self, dilated: bool) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn(3, STEM, stride=2), conv_bn(STEM, STEM))
        self.stage1 = nn.Sequential(Residual(STEM, STAGE1, 2), Residual(STAGE1, STAGE1))
        self.stage2 = nn.Sequential(Residual(STAGE1, STAGE2, 2), Residual(STAGE2, STAGE2))
        stride, dilation = (1, 2) if dilated else (2, 1)
        self.stage3 = nn.Sequential(
            Residual(STAGE2, STAGE3, stride, dilation), Residual(STAGE3, STAGE3, 1, dilation)
        )
        self.stage4 = None if dilated else Residual(STAGE3, STAGE4, 2)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = [self.stem(x)]
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            if stage is not None:
                features.append(stage(features[-1]))
        return features


class DemoPspNet(nn.Module):
    """PSPNet: dilated backbone at stride 8, pyramid pooling with bins 1, 2, 3, 6, then a light way up.

    At 416x128 poles and signs are one or two pixels wide, so features of strides 4 and 2 refine the pyramid's
    answer. In: [n,3,128,416], ImageNet-normalized. Out: logits [n,19,128,416].
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ThinResNet(dilated=True)
        self.pyramid = PyramidPooling(STAGE3, 24, (HEIGHT // 8, WIDTH // 8))
        self.fuse = conv_bn(self.pyramid.outputs, 64)
        self.lateral1 = conv_bn(STAGE1, 48, kernel=1)
        self.lateral0 = conv_bn(STEM, 40, kernel=1)
        self.reduce1 = conv_bn(64, 48, kernel=1)
        self.reduce0 = conv_bn(48, 40, kernel=1)
        self.refine1 = conv_bn(48, 48)
        self.refine0 = conv_bn(40, 40)
        # Four neighbouring pixels from each feature: the way from stride 2 to the full size.
        self.classify = nn.Sequential(nn.Conv2d(40, 4 * SEMANTIC_CLASSES, 1), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        stem, stage1, _, stage3 = self.backbone(x)
        context = self.fuse(self.pyramid(stage3))
        middle = self.refine1(_twice(self.reduce1(context)) + self.lateral1(stage1))
        fine = self.refine0(_twice(self.reduce0(middle)) + self.lateral0(stem))
        return self.classify(fine)


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class ThinFpn(nn.Module):
    """Feature pyramid of strides 4, 8, 16, 32 for the Mask R-CNN.

    With `bfloat16` set, training runs these convolutions in bfloat16; anchors, boxes and heads stay in float32
    (torchvision makes its anchors in the type of the features, and eight bits cannot hold a coordinate).
    """

    def __init__(self, channels: int = 48) -> None:
        super().__init__()
        self.bfloat16 = False
        self.body = ThinResNet(dilated=False)
        self.fpn = FeaturePyramidNetwork([STAGE1, STAGE2, STAGE3, STAGE4], channels)
        self.out_channels = channels

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        if not (self.training and self.bfloat16):
            return self._pyramid(x)
        with torch.autocast("cpu", torch.bfloat16):
            levels = self._pyramid(x)
        return OrderedDict((name, level.float()) for name, level in levels.items())

    def _pyramid(self, x: Tensor) -> OrderedDict[str, Tensor]:
        stages = self.body(x)[1:]
        return self.fpn(OrderedDict((str(i), stage) for i, stage in enumerate(stages)))


class HalfRpnHead(RPNHead):
    """torchvision's RPN head; its convolutions, too, run in bfloat16 where training asks for it."""

    bfloat16 = False

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        if not (self.training and self.bfloat16):
            return super().forward(x)
        with torch.autocast("cpu", torch.bfloat16):
            logits, deltas = super().forward(x)
        return [t.float() for t in logits], [t.float() for t in deltas]


def demo_mask_rcnn() -> MaskRCNN:
    """torchvision's Mask R-CNN on the thin pyramid; labels are COCO ids as they stand."""
    backbone = ThinFpn()
    channels = backbone.out_channels
    levels = ["0", "1", "2", "3"]
    anchors = AnchorGenerator(
        sizes=((9, 14), (20, 28), (40, 56), (80, 120)), aspect_ratios=((0.5, 1.0, 2.0),) * 4
    )
    box_size, box_features, mask_channels = 7, 128, 48
    return MaskRCNN(
        backbone,
        min_size=HEIGHT,
        max_size=WIDTH,
        image_mean=list(IMAGENET_MEAN),
        image_std=list(IMAGENET_DEVIATION),
        _skip_resize=True,  # pictures come at the right size; masks need not be resampled for nothing
        rpn_anchor_generator=anchors,
        rpn_head=HalfRpnHead(channels, anchors.num_anchors_per_location()[0]),
        rpn_pre_nms_top_n_train=250,
        rpn_pre_nms_top_n_test=150,
        rpn_post_nms_top_n_train=150,
        rpn_post_nms_top_n_test=120,
        rpn_batch_size_per_image=128,
        rpn_fg_iou_thresh=0.6,
        box_roi_pool=_roi_align(levels, box_size),
        box_head=TwoMLPHead(channels * box_size**2, box_features),
        box_predictor=FastRCNNPredictor(box_features, INSTANCE_CLASSES),
        box_score_thresh=0.1,
        box_nms_thresh=0.5,
        box_detections_per_img=50,
        box_batch_size_per_image=40,
        mask_roi_pool=_roi_align(levels, 14),
        mask_head=MaskRCNNHeads(channels, (mask_channels,) * 3, 1),
        mask_predictor=MaskRCNNPredictor(mask_channels, mask_channels, INSTANCE_CLASSES),
    )


def _roi_align(levels: list[str], size: int) -> MultiScaleRoIAlign:
    # A box of 80 pixels is read at stride 16, one of 40 at stride 8, smaller ones at stride 4.
    return MultiScaleRoIAlign(levels, size, sampling_ratio=2, canonical_scale=80, canonical_level=4)


def share_backbone(source: DemoPspNet, target: MaskRCNN) -> int:
    """Starts the Mask R-CNN from the PSPNet's backbone; returns how many tensors were taken."""
    weights = source.backbone.state_dict()
    missing = target.backbone.body.load_state_dict(weights, strict=False)
    if missing.unexpected_keys:
        raise ValueError(f"cannot share backbone: unknown tensors {missing.unexpected_keys}")
    return len(weights)

"""Mask R-CNN as it is exported: one picture in, boxes, labels, scores and masks out.

torchvision ends by pasting every 28x28 mask into a full-size picture, which costs more than a third of the time. The
exported graph stops before that; the reader pastes only the detections it keeps, at the size it wants.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import paste_masks_in_image

OUTPUTS = ["boxes", "labels", "scores", "masks"]


class ExportedMaskRcnn(nn.Module):
    """In: f32 [3,H,W], RGB in [0,1], at exactly the network's size.

    Out: boxes f32 [n,4] (x1, y1, x2, y2 in pixels of that picture), labels i64 [n], scores f32 [n], and masks f32:
    [n,1,28,28], probabilities of each detection's own class, or [n,1,H,W] pasted when `full_masks`.
    """

    def __init__(self, net: MaskRCNN, size: tuple[int, int], *, full_masks: bool) -> None:
        super().__init__()
        self.net = net.eval()
        self.width, self.height = size
        if self.width % 32 or self.height % 32:
            raise ValueError(f"cannot export Mask R-CNN: size {self.width}x{self.height} is no multiple of 32")
        self.full_masks = full_masks
        self.register_buffer("mean", torch.tensor(net.transform.image_mean).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(net.transform.image_std).view(3, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        size = (self.height, self.width)
        batch = ((image - self.mean) / self.deviation).unsqueeze(0)
        features = self.net.backbone(batch)
        proposals, _ = self.net.rpn(ImageList(batch, [size]), features)
        found = self.net.roi_heads(features, proposals, [size])[0][0]
        masks = found["masks"]
        if self.full_masks:
            masks = paste_masks_in_image(masks, found["boxes"], size)
        return found["boxes"], found["labels"], found["scores"], masks

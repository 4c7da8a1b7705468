"""The pyramid pooling module of PSPNet, for a fixed input size.

Adaptive average pooling to b x b bins is linear in each direction, so it is written as two matrix products with
constant matrices. That is exactly the same sum and exports to plain ONNX operators.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BINS = (1, 2, 3, 6)


def pooling_matrix(size: int, bins: int) -> Tensor:
    """[bins, size]; row i averages the entries floor(i size / bins) .. ceil((i + 1) size / bins)."""
    matrix = torch.zeros(bins, size)
    for row in range(bins):
        start, end = row * size // bins, -((row + 1) * -size // bins)
        matrix[row, start:end] = 1.0 / (end - start)
    return matrix


class PyramidPooling(nn.Module):
    """Averages over 1, 4, 9 and 36 parts of the picture, reduced, spread again, beside the features themselves."""

    def __init__(self, inputs: int, per_bin: int, feature_size: tuple[int, int]) -> None:
        super().__init__()
        height, width = feature_size
        self.feature_size = feature_size
        self.outputs = inputs + per_bin * len(BINS)
        self.reduce = nn.ModuleList()
        for bins in BINS:
            self.register_buffer(f"rows{bins}", pooling_matrix(height, bins), persistent=False)
            self.register_buffer(f"columns{bins}", pooling_matrix(width, bins).t().contiguous(), persistent=False)
            self.reduce.append(
                nn.Sequential(nn.Conv2d(inputs, per_bin, 1, bias=False), nn.BatchNorm2d(per_bin), nn.ReLU())
            )

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[-2:]) != self.feature_size:
            raise ValueError(f"cannot pool features of {tuple(x.shape[-2:])}: expected {self.feature_size}")
        parts = [x]
        for bins, reduce in zip(BINS, self.reduce):
            rows, columns = getattr(self, f"rows{bins}"), getattr(self, f"columns{bins}")
            pooled = torch.matmul(torch.matmul(rows.to(x.dtype), x), columns.to(x.dtype))
            parts.append(F.interpolate(reduce(pooled), self.feature_size, mode="bilinear", align_corners=False))
        return torch.cat(parts, dim=1)

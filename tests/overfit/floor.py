"""The least abs_rel that depth at a quarter of a picture's size, enlarged bilinearly, can reach on the depth of a shard set.

The encoder-decoder puts out such depth, so nothing it learns goes below. Needs torch and h5py; no part of make test.

Usage: floor.py SHARDS [CAP]
"""

import pathlib
import sys

import h5py
import torch
import torch.nn.functional as F


def floor_of(truth, cap):
    measured = (truth > 0) & (truth < cap)
    share = F.avg_pool2d(measured.double(), 4)
    start = F.avg_pool2d(truth.clamp_min(1e-3).log() * measured, 4) / share.clamp_min(1e-6)
    log_depth = torch.where(share > 0, start, start[share > 0].mean()).requires_grad_(True)
    adam = torch.optim.Adam([log_depth], lr=0.03)
    for _ in range(400):
        depth = F.interpolate(log_depth.exp(), size=truth.shape[2:], mode="bilinear", align_corners=False)
        loss = ((depth - truth).abs() / truth.clamp_min(1e-3))[measured].mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return loss.item()


def main():
    torch.set_num_threads(1)
    cap = float(sys.argv[2]) if len(sys.argv) > 2 else 80.0
    floors = []
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.h5")):
        with h5py.File(path) as shard:
            for depth in shard["depth"]:
                floors.append(floor_of(torch.tensor(depth).double()[None, None], cap))
    print(f"abs_rel of the best depth at a quarter: {[round(x, 4) for x in floors]}, mean {sum(floors) / len(floors):.4f}")


main()

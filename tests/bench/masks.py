"""RLE, IoU and alignment of real masks: pycocotools and dense NumPy beside preprocess/benches/masks.rs."""
import json
import statistics
import time

import numpy as np
from pycocotools import mask as rle

import labels

ROUNDS = 7


def median_ms(work, rounds=ROUNDS):
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        found = work()
        times.append(1e3 * (time.perf_counter() - begun))
    return statistics.median(times), found


def mots(folder):
    """Sequence to the detections of each frame."""
    sequences = {}
    for path in sorted(folder.glob("*.txt")):
        frames = {}
        for line in path.read_text().splitlines():
            frame, _, kind, h, w, counts = line.split()
            if kind in "12":
                row = {"category_id": {"1": 3, "2": 1}[kind], "score": 1.0,
                       "segmentation": {"size": [int(h), int(w)], "counts": counts.encode()}}
                frames.setdefault(int(frame), []).append(row)
        sequences[path.name] = [frames[frame] for frame in sorted(frames)]
    return sequences


class Half:
    """Masks at half the size, decoded once each."""

    def __init__(self, native):
        self.shape, self.kept = (native[0] // 2, native[1] // 2), {}
        self.rows = (2 * np.arange(self.shape[0]) + 1) * native[0] // (2 * self.shape[0])
        self.columns = (2 * np.arange(self.shape[1]) + 1) * native[1] // (2 * self.shape[1])

    def __call__(self, detection):
        if id(detection) not in self.kept:
            self.kept[id(detection)] = rle.decode(detection["segmentation"])[np.ix_(self.rows, self.columns)]
        return self.kept[id(detection)]


def measure(data, ours):
    """Rows (what, ours in ms, pycocotools in ms, dense NumPy in ms or None); results must agree."""
    results = json.loads((data / "rle/coco_results_fakesegm100.json").read_text())
    coded = [{"size": row["segmentation"]["size"], "counts": row["segmentation"]["counts"].encode()} for row in results]
    dense = [np.ascontiguousarray(rle.decode(mask)) for mask in coded]
    encode, encoded = median_ms(lambda: [rle.encode(np.asfortranarray(mask)) for mask in dense])
    assert encoded == coded and ours["masks"] == len(coded)
    decode, _ = median_ms(lambda: [rle.decode(mask) for mask in coded])

    sequences = mots(data / "mots")
    pairs = [(a, b) for frames in sequences.values() for a, b in zip(frames, frames[1:])]

    def coco_iou():
        return sum(rle.iou([d["segmentation"] for d in a], [d["segmentation"] for d in b], [0] * len(b)).sum() for a, b in pairs)

    iou, total = median_ms(coco_iou)
    assert abs(total - ours["iou_sum"]) < 1e-6 * total, (total, ours["iou_sum"])
    part = pairs[::20]
    flat = [[np.stack([rle.decode(d["segmentation"]).ravel() for d in frame]).astype(np.float32) for frame in pair] for pair in part]

    def dense_iou():
        for a, b in flat:
            both = a @ b.T
            both / (a.sum(1)[:, None] + b.sum(1)[None] - both)

    dense_ms, _ = median_ms(dense_iou, 3)

    def alignment():
        objects = 0
        for frames in sequences.values():
            for clip in zip(frames, frames[1:], frames[2:]):
                objects += len(labels.align(clip, Half(clip[1][0]["segmentation"]["size"]))[1])
        return objects

    align, objects = median_ms(alignment, 3)
    assert objects == ours["objects"], (objects, ours["objects"])
    return [
        (f"RLE encode, {len(coded)} COCO masks", ours["encode_ms"], encode, None),
        (f"RLE decode, {len(coded)} COCO masks", ours["decode_ms"], decode, None),
        (f"IoU of {ours['pairs']:,} mask pairs of neighboring MOTS frames", ours["iou_ms"], iou, dense_ms * len(pairs) / len(part)),
        (f"alignment of {ours['triples']:,} MOTS clips to 621x187", ours["align_ms"], align, None),
    ]

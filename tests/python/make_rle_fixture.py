"""Writes shared/src/rle/pycocotools.json: what pycocotools says about the real masks in ../shared/data.

Usage: python tests/python/make_rle_fixture.py ../shared/data shared/src/rle/pycocotools.json
Needs pycocotools. Per file: the sums over all its masks and, for every 16th mask, area, box and the IoU with
the mask before it of the same size (null where there is none).
"""

import json
import sys
from pathlib import Path

from pycocotools import mask as coco


def coco_masks(path):
    for row in json.loads(path.read_text()):
        yield row["segmentation"]


def mots_masks(path):
    for line in path.read_text().splitlines():
        _frame, _track, _class, height, width, text = line.split(" ")
        yield {"size": [int(height), int(width)], "counts": text}


def facts(masks):
    masks = list(masks)
    areas = [int(coco.area(mask)) for mask in masks]
    boxes = [[int(v) for v in coco.toBbox(mask)] for mask in masks]
    last_of_size = {}
    ious = []
    for mask in masks:
        before = last_of_size.get(tuple(mask["size"]))
        ious.append(None if before is None else float(coco.iou([before], [mask], [0])[0, 0]))
        last_of_size[tuple(mask["size"])] = mask
    return {
        "masks": len(masks),
        "area_sum": sum(areas),
        "bbox_sum": [sum(box[i] for box in boxes) for i in range(4)],
        "iou_sum": sum(iou for iou in ious if iou is not None),
        "every_16th": [[areas[i], boxes[i], ious[i]] for i in range(0, len(masks), 16)],
    }


def main():
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    found = {"rle": facts(coco_masks(data / "rle" / "coco_results_fakesegm100.json"))}
    for path in sorted((data / "mots").glob("*.txt")):
        found[f"mots/{path.stem}"] = facts(mots_masks(path))
    text = ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in found.items())
    out.write_text("{\n" + text + "\n}\n")


main()

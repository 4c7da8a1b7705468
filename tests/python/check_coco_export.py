"""Holds a file of `suw-preprocess export-coco` against its shards, with pycocotools and h5py.

    python tests/python/check_coco_export.py EXPORT.json native|network SHARD.h5...

Every aligned object must have one row, in the order of the shards; its mask must have the size, area and box that
pycocotools finds, and at network size it must be the part of /objects with its number in the target frame. A native mask is
brought to network size by nearest neighbor, pixel centers at i + 0.5. Prints the number of rows and the sum of their areas.
"""

import json
import sys

import h5py
import numpy as np
from pycocotools import mask as coco


def nearest(length, start, window):
    return start + ((2 * np.arange(length) + 1) * window) // (2 * length)


def expected_objects(paths):
    """Key, class, score, map at network size, native size and window of every aligned object."""
    for path in paths:
        with h5py.File(path, "r") as file:
            starts = file["object_start"][()].astype(int)
            for i, key in enumerate(file["key"][()]):
                target = file["objects"][i, 1]
                for row in file["object"][starts[i] : starts[i + 1]]:
                    yield key.decode(), row, target == row["index"], file["native_size"][i], file["native_window"][i]


def main():
    export, at, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(export) as file:
        rows = json.load(file)
    expected = list(expected_objects(paths))
    assert len(rows) == len(expected), (len(rows), len(expected))
    scenes = {key.rsplit("/", 1)[0] for key, *_ in expected}
    areas = 0
    for row, (key, known, inside, native, window) in zip(rows, expected):
        name = key.rsplit("/", 1)[1] if len(scenes) == 1 else key
        assert row["image_id"] == name, (row["image_id"], name)
        assert row["category_id"] == known["class"], (key, row["category_id"])
        assert abs(row["score"] - known["score"][1]) < 1e-7, (key, row["score"])
        size = [int(v) for v in (native if at == "native" else inside.shape)]
        assert row["segmentation"]["size"] == size, (key, row["segmentation"]["size"], size)
        mask = coco.decode(row["segmentation"])
        area = int(coco.area(row["segmentation"]))
        assert mask.sum() == area and [int(v) for v in coco.toBbox(row["segmentation"])] == row["bbox"], key
        if at == "native":
            y, x, height, width = (int(v) for v in window)
            outside = mask.copy()
            outside[y : y + height, x : x + width] = 0
            assert not outside.any(), f"{key}: pixels outside of the window"
            mask = mask[np.ix_(nearest(inside.shape[0], y, height), nearest(inside.shape[1], x, width))]
        assert np.array_equal(mask != 0, inside), key
        areas += area
    print(json.dumps({"rows": len(rows), "areas": areas}))


if __name__ == "__main__":
    main()

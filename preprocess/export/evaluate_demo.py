"""Measures the exported demo networks in ONNX Runtime on rendered drives they were not trained on.

PSPNet: mean IoU over the classes present. Mask R-CNN: mask AP50 by pycocotools, and how many objects a score of 0.5
finds. AP50 is given for objects of at least 100, 50 and 20 pixels at 416x128, and for every one that shows a pixel: shards
hold objects from 100 pixels on, and a street rendered at 416x128 is full of distant ones of a few pixels.

    suw-preprocess synth --out street-other --drives 8 --frames 12 --size 416x128 --seed 9001
    python evaluate_demo.py --data street-other
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchvision.models.detection.roi_heads import paste_masks_in_image

from demo_networks import HEIGHT, IMAGENET_DEVIATION, IMAGENET_MEAN, SEMANTIC_CLASSES, WIDTH
from export_onnx import MODELS
from street_world import UNLABELLED, Frame, read_frames, resize_picture

SEMANTIC_NAMES = (
    "road sidewalk building wall fence pole traffic-light traffic-sign vegetation terrain sky person rider car truck "
    "bus train motorcycle bicycle"
).split()
INSTANCE_NAMES = {1: "person", 2: "bicycle", 3: "car"}


def network_picture(frame: Frame) -> np.ndarray:
    """f32 [3,128,416] in [0,1]."""
    return resize_picture(frame.image, (WIDTH, HEIGHT)).astype(np.float32).transpose(2, 0, 1) / 255.0


def semantic_map(session: onnxruntime.InferenceSession, frame: Frame) -> np.ndarray:
    """Train ids u8 at the frame's own size."""
    mean, deviation = (np.array(v, np.float32).reshape(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    (logits,) = session.run(["logits"], {"image": ((network_picture(frame) - mean) / deviation)[None]})
    size = frame.semantic.shape
    full = F.interpolate(torch.from_numpy(logits), size, mode="bilinear", align_corners=False)
    return full.argmax(dim=1)[0].numpy().astype(np.uint8)


def class_ious(session: onnxruntime.InferenceSession, frames: list[Frame]) -> dict[str, float]:
    """IoU of each class that occurs in the truth, over all pixels of all frames."""
    confusion = np.zeros((SEMANTIC_CLASSES, SEMANTIC_CLASSES), np.int64)
    for frame in frames:
        known = frame.semantic != UNLABELLED
        pairs = frame.semantic[known].astype(np.int64) * SEMANTIC_CLASSES + semantic_map(session, frame)[known]
        confusion += np.bincount(pairs, minlength=confusion.size).reshape(confusion.shape)
    true, said, both = confusion.sum(1), confusion.sum(0), np.diag(confusion)
    return {SEMANTIC_NAMES[c]: both[c] / (true[c] + said[c] - both[c]) for c in np.flatnonzero(true)}


def detections(session: onnxruntime.InferenceSession, frame: Frame, image_id: int) -> list[dict]:
    """COCO result rows with masks pasted at the frame's own size."""
    boxes, labels, scores, masks = session.run(["boxes", "labels", "scores", "masks"], {"image": network_picture(frame)})
    height, width = frame.semantic.shape
    boxes = torch.from_numpy(boxes * np.array([width / WIDTH, height / HEIGHT] * 2, np.float32))
    full = paste_masks_in_image(torch.from_numpy(masks), boxes, (height, width)).numpy()[:, 0] > 0.5
    rows = []
    for mask, label, score in zip(full, labels, scores):
        row = {"image_id": image_id, "category_id": int(label), "score": float(score)}
        rows.append(row | {"segmentation": coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))})
    return rows


def coco_truth(frames: list[Frame]) -> COCO:
    """The visible part of every object as a COCO annotation."""
    annotations = []
    for image_id, frame in enumerate(frames, start=1):
        for number, label in enumerate(frame.classes, start=1):
            mask = np.asfortranarray((frame.objects == number).astype(np.uint8))
            if not mask.any():
                continue
            run_lengths = coco_mask.encode(mask)
            annotations.append({
                "id": len(annotations) + 1, "image_id": image_id, "category_id": label, "iscrowd": 0,
                "segmentation": run_lengths, "area": int(mask.sum()), "bbox": coco_mask.toBbox(run_lengths).tolist(),
            })
    truth = COCO()
    truth.dataset = {
        "images": [{"id": i, "height": f.semantic.shape[0], "width": f.semantic.shape[1]} for i, f in enumerate(frames, 1)],
        "categories": [{"id": i, "name": n} for i, n in INSTANCE_NAMES.items()],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth


def average_precision(truth: COCO, rows: list[dict], min_area: float) -> dict[str, float]:
    """AP at mask IoU 0.5 per class; smaller objects are ignored by COCO's own area range, found or not."""
    with contextlib.redirect_stdout(io.StringIO()):
        measure = COCOeval(truth, truth.loadRes([dict(row) for row in rows]), "segm")
        measure.params.iouThrs = np.array([0.5])
        measure.params.areaRng, measure.params.areaRngLbl = [[min_area, 1e10]], ["all"]
        measure.params.maxDets = [100]
        measure.evaluate()
        measure.accumulate()
    precision = measure.eval["precision"][0, :, :, 0, 0]  # [recall, class]
    found = {}
    for column, category in enumerate(measure.params.catIds):
        values = precision[:, column]
        if (values > -1).any():
            found[INSTANCE_NAMES[category]] = float(values.mean())
    return found


def at_half(truth: COCO, rows: list[dict], min_area: float) -> tuple[float, float]:
    """Recall and precision of detections with score >= 0.5, at mask IoU 0.5; smaller ones on either side do not count."""
    hits = wanted = right = said = 0
    for image_id in truth.getImgIds():
        real = truth.loadAnns(truth.getAnnIds(imgIds=[image_id]))
        mine = [r for r in rows if r["image_id"] == image_id and r["score"] >= 0.5]
        large = np.array([a["area"] >= min_area for a in real], bool)
        counts = np.array([coco_mask.area(r["segmentation"]) >= min_area for r in mine], bool)
        wanted += int(large.sum())
        said += int(counts.sum())
        if not real or not mine:
            continue
        iou = coco_mask.iou([r["segmentation"] for r in mine], [a["segmentation"] for a in real], [0] * len(real))
        same = np.array([[r["category_id"] == a["category_id"] for a in real] for r in mine])
        match = (iou >= 0.5) & same
        hits += int(match.any(axis=0)[large].sum())
        right += int(match.any(axis=1)[counts].sum())
    return hits / max(wanted, 1), right / max(said, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of `suw-preprocess synth`, other seeds")
    parser.add_argument("--instances", type=Path, default=MODELS / "demo-mask-rcnn.onnx")
    parser.add_argument("--semantic", type=Path, default=MODELS / "demo-pspnet.onnx")
    parser.add_argument("--min-area", type=int, nargs="+", default=[100, 50, 20, 0],
                        help="smaller visible objects are neither wanted nor wrong (pixels at 416x128)")
    parser.add_argument("--keep-every", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    frames = read_frames(args.data, None, args.keep_every)
    open_model = lambda path: onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    report: dict = {"frames": len(frames), "size": f"{frames[0].image.shape[1]}x{frames[0].image.shape[0]}"}
    if args.semantic.exists():
        ious = class_ious(open_model(args.semantic), frames)
        report |= {"miou": float(np.mean(list(ious.values()))), "iou": {k: round(float(v), 4) for k, v in ious.items()}}
    if args.instances.exists():
        session, truth = open_model(args.instances), coco_truth(frames)
        rows = [row for i, frame in enumerate(frames, start=1) for row in detections(session, frame, i)]
        scale = frames[0].semantic.size / (WIDTH * HEIGHT)
        report["instances"] = {}
        for area in args.min_area:
            per_class = average_precision(truth, rows, area * scale)
            recall, precision = at_half(truth, rows, area * scale)
            report["instances"][str(area)] = {"ap50": float(np.mean(list(per_class.values()))), "ap50_per_class": per_class,
                                              "recall": recall, "precision": precision}
    if args.json:
        print(json.dumps(report, indent=1))
        return
    print(f"{report['frames']} frames of {report['size']}")
    if "miou" in report:
        print(f"PSPNet mIoU over {len(report['iou'])} classes present: {report['miou']:.3f}")
        print("  " + "  ".join(f"{k} {v:.3f}" for k, v in report["iou"].items()))
    for area, found in report.get("instances", {}).items():
        classes = "  ".join(f"{name} {value:.3f}" for name, value in found["ap50_per_class"].items())
        print(f"Mask R-CNN, objects of at least {area} px: mask AP50 {found['ap50']:.3f}  ({classes}); "
              f"score >= 0.5: recall {found['recall']:.3f}, precision {found['precision']:.3f}")


if __name__ == "__main__":
    main()

"""Frames of rendered drives with their true masks: reading and augmentation.

A drive folder as `suw-preprocess synth` writes it: pictures in KITTI raw layout, and under `masks/` the truth as a
mask store (`<scene>/instances/<stem>.json` with COCO run lengths, `<scene>/semantic/<stem>.png` with train ids).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

UNLABELLED = 255
BICYCLE = 2  # COCO


@dataclass
class Frame:
    """One picture with its truth; all arrays have the same height and width."""

    name: str  # "<scene>/<stem>"
    image: np.ndarray  # u8 [H,W,3], RGB
    semantic: np.ndarray  # u8 [H,W], train ids, 255 = none
    objects: np.ndarray  # u8 [H,W], 0 = none, i = the i-th entry of `classes`
    classes: list[int]  # COCO ids


def read_frames(roots: list[Path], size: tuple[int, int] | None, keep_every: int = 1) -> list[Frame]:
    """All frames below the folders, in name order; resized to (width, height) if a size is given."""
    frames = []
    for root in roots:
        files = sorted((root / "masks").glob("**/instances/*.json"))
        if not files:
            raise FileNotFoundError(f"cannot read drives: no masks/**/instances/*.json; folder {root}")
        frames += [read_frame(root, file, size) for file in files[::keep_every]]
    return frames


def read_frame(root: Path, instances: Path, size: tuple[int, int] | None) -> Frame:
    """The frame whose instance list is given."""
    scene, stem = instances.parent.parent, instances.stem
    name = scene.relative_to(root / "masks")
    picture = cv2.imread(str(root / name / "data" / f"{stem}.png"), cv2.IMREAD_COLOR)
    semantic = cv2.imread(str(scene / "semantic" / f"{stem}.png"), cv2.IMREAD_UNCHANGED)
    if picture is None or semantic is None:
        raise FileNotFoundError(f"cannot read frame {name}/{stem}: picture or semantic map is missing; folder {root}")
    objects, classes = np.zeros(picture.shape[:2], np.uint8), []
    for row in json.loads(instances.read_text()):
        classes.append(int(row["category_id"]))
        objects[coco_mask.decode(row["segmentation"]) > 0] = len(classes)
    image = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    if size is not None and (image.shape[1], image.shape[0]) != size:
        image = resize_picture(image, size)
        semantic, objects = resize_labels(semantic, size), resize_labels(objects, size)
    return Frame(f"{name}/{stem}", image, semantic, objects, classes)


def resize_picture(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Averages when shrinking, bilinear when enlarging; size is (width, height)."""
    shrinks = size[0] < image.shape[1]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Nearest neighbour with pixel centres at i + 0.5; size is (width, height)."""
    return cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)


def augment(frame: Frame, rng: np.random.Generator, strength: float = 1.0) -> Frame:
    """Random mirror, window, colors, and a little noise; a `strength` below 1 leaves more pictures nearly as they are.

    The window has 60 to 100 % of the sides; one in three is closer, around a bicycle where there is one: they are the
    smallest and rarest objects.
    """
    image, semantic, objects = frame.image, frame.semantic, frame.objects
    chance, bicycles = rng.random(), _large(frame, BICYCLE)
    if chance < 0.33 * strength and bicycles:
        image, semantic, objects = _window(image, semantic, objects, rng, 0.4, bicycles[rng.integers(len(bicycles))])
    elif chance < 0.75 * strength:
        image, semantic, objects = _window(image, semantic, objects, rng, 0.6, None)
    if rng.random() < 0.5:
        image, semantic, objects = image[:, ::-1], semantic[:, ::-1], objects[:, ::-1]
    if rng.random() < max(strength, 0.5):
        image = _random_colors(image, rng)
    return Frame(frame.name, image, np.ascontiguousarray(semantic), np.ascontiguousarray(objects), frame.classes)


def _large(frame: Frame, label: int) -> list[int]:
    """Numbers of the objects of that class with 40 visible pixels or more."""
    areas = np.bincount(frame.objects.ravel(), minlength=len(frame.classes) + 1)
    return [i for i, c in enumerate(frame.classes, start=1) if c == label and areas[i] >= 40]


def _window(image, semantic, objects, rng, smallest: float, around: int | None):
    height, width = semantic.shape
    zoom = rng.uniform(smallest, 1.0)
    w, h = width * zoom, min(height * zoom * rng.uniform(0.88, 1.14), height)
    x0, y0 = rng.uniform(0, width - w), rng.uniform(0, height - h)
    if around is not None:
        ys, xs = np.nonzero(objects == around)
        x0 = np.clip(xs.mean() - w * rng.uniform(0.2, 0.8), 0, width - w)
        y0 = np.clip(ys.mean() - h * rng.uniform(0.3, 0.7), 0, height - h)
    sx, sy = width / w, height / h
    # Pixel centres at integers: x' = (x + 0.5 - x0) sx - 0.5.
    matrix = np.array([[sx, 0, (0.5 - x0) * sx - 0.5], [0, sy, (0.5 - y0) * sy - 0.5]])
    warp = lambda a, how: cv2.warpAffine(a, matrix, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return warp(image, cv2.INTER_LINEAR), warp(semantic, cv2.INTER_NEAREST), warp(objects, cv2.INTER_NEAREST)


def _random_colors(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    x = image.astype(np.float32) / 255.0
    x = x ** rng.uniform(0.75, 1.33)
    gray = x.mean(axis=2, keepdims=True)
    x = gray + (x - gray) * rng.uniform(0.6, 1.4)
    x = (x - 0.5) * rng.uniform(0.8, 1.2) + 0.5
    x = x * rng.uniform(0.92, 1.08, size=3).astype(np.float32) + rng.uniform(-0.06, 0.06)
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (3, 3), rng.uniform(0.3, 0.8))
    x = x + rng.normal(0.0, rng.uniform(0.0, 0.02), x.shape).astype(np.float32)
    return (np.clip(x, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def detection_target(frame: Frame, min_area: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes f32 [n,4] (x1, y1, x2, y2, half-open), COCO labels i64 [n], masks u8 [n,H,W] of the visible objects."""
    boxes, labels, masks = [], [], []
    for number, label in enumerate(frame.classes, start=1):
        mask = frame.objects == number
        if mask.sum() < min_area:
            continue
        ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        boxes.append((xs[0], ys[0], xs[-1] + 1, ys[-1] + 1))
        labels.append(label)
        masks.append(mask)
    shape = (0, *frame.objects.shape)
    return (
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        np.stack(masks).astype(np.uint8) if masks else np.zeros(shape, np.uint8),
    )

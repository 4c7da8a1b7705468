"""The offline preprocessing of SUW-Learn as a careful Python user writes it: one process a core, each frame read once,
OpenCV, pycocotools, h5py, ONNX Runtime. Prints one JSON line: clips, seconds, pairs, objects.

Masks come from a store (instances.json and semantic/ of a scene), or from the two networks with --mask-rcnn and --pspnet.
"""
import argparse
import json
import multiprocessing
import time
from pathlib import Path

import cv2
import h5py
import numpy as np
from pycocotools import mask as rle

import labels

SAMPLES_PER_SHARD = 16
PAIR = [("sample", "<u4"), ("kind", "u1"), ("origin", "u1"), ("rule", "u1"), ("size", "u1"), ("far_y", "<u2"),
        ("far_x", "<u2"), ("near_y", "<u2"), ("near_x", "<u2"), ("far_class", "u1"), ("near_class", "u1")]
OBJECT = [("sample", "<u4"), ("index", "u1"), ("class", "u1"), ("score", "<f4", 3), ("iou_prev", "<f4"), ("iou_next", "<f4")]


def calibration(root, date):
    """P_rect_02, and the whole way from the scanner to the picture."""
    def read(path):
        rows = (line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        return {key: np.array(value.split(), float) for key, value in rows if key not in ("calib_time", "corner_dist")}
    camera, scanner = read(root / date / "calib_cam_to_cam.txt"), read(root / date / "calib_velo_to_cam.txt")
    projection = camera["P_rect_02"].reshape(3, 4)
    rectify, pose = np.eye(4), np.eye(4)
    rectify[:3, :3] = camera["R_rect_00"].reshape(3, 3)
    pose[:3, :3], pose[:3, 3] = scanner["R"].reshape(3, 3), scanner["T"]
    return projection, projection @ rectify @ pose


class Window:
    """Crop to the network's size, bottom center; or resize where it is smaller than the picture."""

    def __init__(self, native, size, fit):
        (self.h, self.w), (self.out_h, self.out_w) = native, size
        whole = fit == "resize"
        self.y, self.x = (0, 0) if whole else (self.h - self.out_h, (self.w - self.out_w) // 2)
        self.part = (slice(self.y, self.h), slice(self.x, self.w - self.x if whole else self.x + self.out_w))
        self.scale = (self.out_h / self.h, self.out_w / self.w) if whole else (1.0, 1.0)
        self.shape = size

    def image(self, image):
        return cv2.resize(image, (self.out_w, self.out_h), interpolation=cv2.INTER_AREA) if self.scale != (1, 1) else image[self.part]

    def labels(self, labels):
        if self.scale == (1, 1):
            return np.ascontiguousarray(labels[self.part])
        return cv2.resize(labels, (self.out_w, self.out_h), interpolation=cv2.INTER_NEAREST_EXACT)

    def __call__(self, detection):
        """The mask of a detection at network size; decoded once."""
        if "mask" not in detection:
            detection["mask"] = self.labels(rle.decode(detection["segmentation"]))
        return detection["mask"]

    def depth(self, scan, projection):
        """Sparse depth of a scan; the nearest point of a pixel wins."""
        points = np.fromfile(scan, np.float32).reshape(-1, 4)[:, :3]
        points = points[points[:, 0] > 0]
        u, v, z = projection @ np.c_[points, np.ones(len(points))].T
        ok = z > 0
        u, v, z = u[ok] / z[ok], v[ok] / z[ok], z[ok]
        x = np.round((u - self.x + 0.5) * self.scale[1] - 0.5).astype(int)
        y = np.round((v - self.y + 0.5) * self.scale[0] - 0.5).astype(int)
        ok = (x >= 0) & (x < self.out_w) & (y >= 0) & (y < self.out_h)
        x, y, z = x[ok], y[ok], z[ok]
        order = np.argsort(-z)
        depth = np.zeros(self.shape, np.float32)
        depth[y[order], x[order]] = z[order]
        return depth


class Networks:
    """Mask R-CNN (28x28 masks, pasted here) and PSPNet."""

    def __init__(self, args):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = args.intra_threads
        options.log_severity_level = 3
        open_ = lambda path: onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.instance, self.semantic = open_(args.mask_rcnn), open_(args.pspnet)
        self.mean, self.std = (np.array(v, np.float32).reshape(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    def objects(self, image):
        h, w = image.shape[:2]
        detections = []
        picture, scale = self.letterbox(self.instance, image)
        for box, label, score, mask in zip(*self.instance.run(["boxes", "labels", "scores", "masks"], {"image": picture})):
            box = box / scale
            if score >= labels.SCORE_MIN and int(label) in labels.CLASSES:
                full = self.paste(mask[0], box, h, w)
                counts = rle.encode(np.asfortranarray(full))
                detections.append({"category_id": int(label), "score": float(score), "segmentation": counts})
        return detections

    def classes(self, image):
        h, w = image.shape[:2]
        picture, scale = self.letterbox(self.semantic, image)
        name = self.semantic.get_inputs()[0].name
        logits = self.semantic.run(None, {name: ((picture - self.mean) / self.std)[None]})[0][0]
        if logits.shape[1:] != (h, w):
            back = picture.shape[1] / logits.shape[1]
            shown = logits[:, : round(h * scale / back), : round(w * scale / back)]
            logits = cv2.resize(shown.transpose(1, 2, 0), (w, h), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
        return logits.argmax(0).astype(np.uint8)

    @staticmethod
    def letterbox(session, image):
        """The picture at the size of the network, top left, and its scale."""
        to_h, to_w = session.get_inputs()[0].shape[-2:]
        scale = min(to_h / image.shape[0], to_w / image.shape[1])
        if scale != 1:
            image = cv2.resize(image, (round(image.shape[1] * scale), round(image.shape[0] * scale)), interpolation=cv2.INTER_LINEAR)
        out = np.zeros((3, to_h, to_w), np.float32)
        out[:, : image.shape[0], : image.shape[1]] = image.transpose(2, 0, 1)
        return out / 255, scale

    @staticmethod
    def paste(mask, box, h, w):
        """torchvision's paste: the mask padded by a pixel and stretched over the widened box."""
        padded, scale = np.pad(mask, 1), (mask.shape[0] + 2) / mask.shape[0]
        cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        hw, hh = (box[2] - box[0]) / 2 * scale, (box[3] - box[1]) / 2 * scale
        x0, y0, x1, y1 = (int(v) for v in (cx - hw, cy - hh, cx + hw, cy + hh))
        width, height = max(x1 - x0 + 1, 1), max(y1 - y0 + 1, 1)
        stretched = cv2.resize(padded, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
        full = np.zeros((h, w), np.uint8)
        left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1 + 1, w), min(y1 + 1, h)
        if right > left and bottom > top:
            full[top:bottom, left:right] = stretched[top - y0 : bottom - y0, left - x0 : right - x0]
        return full


class Scene:
    """Frames of one drive; the last few stay in memory, since a frame is part of three clips."""

    def __init__(self, args, networks, name):
        self.args, self.networks, self.folder = args, networks, args.root / name
        self.stems = sorted(path.stem for path in (self.folder / "image_02/data").glob("*.png"))
        self.projection, self.from_scan = calibration(args.root, name.split("/")[0])
        self.masks = args.masks / name / "image_02" if args.masks else None
        self.rows, self.kept, self.window = {}, {}, None
        if self.masks:
            for row in json.loads((self.masks / "instances.json").read_text()):
                if row["category_id"] in labels.CLASSES:
                    row["segmentation"]["counts"] = row["segmentation"]["counts"].encode()
                    self.rows.setdefault(int(row["image_id"]), []).append(row)

    def frame(self, at):
        if at not in self.kept:
            stem = self.stems[at]
            image = cv2.cvtColor(cv2.imread(str(self.folder / f"image_02/data/{stem}.png")), cv2.COLOR_BGR2RGB)
            self.window = self.window or Window(image.shape[:2], self.args.size, self.args.fit)
            found = self.rows.get(int(stem), []) if self.masks else self.networks.objects(image)
            self.kept[at] = (self.window.image(image).transpose(2, 0, 1), found, None if self.masks else image)
            self.kept.pop(at - 3, None)
        return self.kept[at]

    def semantic(self, t):
        """Asked for frames in the middle of a clip alone."""
        if self.masks:
            return cv2.imread(str(self.masks / f"semantic/{self.stems[t]}.png"), cv2.IMREAD_UNCHANGED)
        return self.networks.classes(self.frame(t)[2])

    def sample(self, t):
        frames = [self.frame(t + d) for d in (-1, 0, 1)]
        window = self.window
        semantic = window.labels(self.semantic(t))
        objects, table, movable = labels.align([frame[1] for frame in frames], window)
        scan = self.folder / f"velodyne_points/data/{self.stems[t]}.bin"
        depth = window.depth(scan, self.from_scan) if scan.exists() else np.zeros(window.shape, np.float32)
        horizon = (self.projection[1, 2] - window.y + 0.5) * window.scale[0] - 0.5
        instances = [(d["category_id"], window(d)) for d in frames[1][1] if d["score"] >= labels.SCORE_MIN]
        rng = np.random.default_rng([self.args.seed, t])
        pairs = labels.pairs(semantic, instances, horizon, depth, self.args.per_rule, rng)
        image = np.stack([frame[0] for frame in frames])
        return image, depth, semantic, objects, movable, table, pairs


def write(path, samples, args):
    """One shard, written beside its place and renamed."""
    temporary = path.with_suffix(".part")
    with h5py.File(temporary, "w", libver="latest") as out:
        for position, (name, packed) in enumerate((("image", False), ("depth", True), ("semantic", True), ("objects", True), ("movable", True))):
            first = samples[0][position]
            options = {"compression": "gzip", "compression_opts": args.gzip, "shuffle": True} if packed else {}
            data = out.create_dataset(name, (len(samples), *first.shape), first.dtype, chunks=(1, *first.shape), **options)
            for i, sample in enumerate(samples):
                data[i] = sample[position]
        objects = [(i, *row) for i, sample in enumerate(samples) for row in sample[5]]
        pairs = [(i, *row) for i, sample in enumerate(samples) for row in sample[6]]
        out["object"], out["pair"] = np.array(objects, OBJECT), np.array(pairs, PAIR)
    temporary.rename(path)
    return len(samples), len(objects), len(pairs)


state = {}


def start(args):
    cv2.setNumThreads(1)
    state["networks"] = Networks(args) if args.mask_rcnn else None
    state["args"], state["scene"] = args, {}


def work(task):
    name, first, last, number = task
    if name not in state["scene"]:
        state["scene"] = {name: Scene(state["args"], state["networks"], name)}
    scene = state["scene"][name]
    return write(state["args"].out / f"shard-{number:05}.h5", [scene.sample(t) for t in range(first, last)], state["args"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--mask-rcnn")
    parser.add_argument("--pspnet")
    parser.add_argument("--intra-threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", default="1216x352", type=lambda text: tuple(int(v) for v in text.split("x")[::-1]))
    parser.add_argument("--fit", choices=("crop", "resize"), default="crop")
    parser.add_argument("--per-rule", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--gzip", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--drives", type=int)
    parser.add_argument("--first", type=int, help="only so many frames of each drive")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    tasks = []
    names = sorted(str(path.parent.relative_to(args.root)) for path in args.root.glob("*/*/image_02"))[: args.drives]
    for name in names:
        n = min(len(list((args.root / name / "image_02/data").glob("*.png"))), args.first or 1 << 30)
        for first in range(1, n - 1, SAMPLES_PER_SHARD):
            tasks.append((name, first, min(first + SAMPLES_PER_SHARD, n - 1), len(tasks)))
    context = multiprocessing.get_context("fork")
    with context.Pool(args.workers, start, (args,)) as pool:
        clips, objects, pairs = np.sum(list(pool.imap_unordered(work, tasks)), 0).tolist()
    print(json.dumps({"clips": clips, "objects": objects, "pairs": pairs, "seconds": time.monotonic() - begun}))


if __name__ == "__main__":
    main()

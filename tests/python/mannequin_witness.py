"""A COLMAP workspace as a clip of Mannequin Challenge, and what its shards must hold, by NumPy and h5py.

    mannequin_witness.py make WORKSPACE ROOT     writes ROOT/train/clip.txt and ROOT/colmap/train/clip
    mannequin_witness.py check WORKSPACE SHARDS  compares every sample; prints how many agree, fails otherwise

Shares no code with the programs: its own reader of the binary model, its own geometry, numpy.percentile.
"""

import glob
import os
import shutil
import struct
import sys

import h5py
import numpy as np

# Views of one size; time 1000 is the first.
NAMES = [f"image0{number}.jpg" for number in range(10, 25)]
TIMES = [1000 * (position + 1) for position in range(len(NAMES))]


def read_model(workspace):
    def data(name):
        with open(f"{workspace}/sparse/{name}.bin", "rb") as file:
            return file.read()

    cameras, images, points = {}, {}, {}
    bytes_, at = data("cameras"), 8
    for _ in range(struct.unpack_from("<Q", bytes_)[0]):
        number, model, width, height = struct.unpack_from("<IIQQ", bytes_, at)
        assert model == 1, "PINHOLE"
        cameras[number] = (width, height, struct.unpack_from("<4d", bytes_, at + 24))
        at += 56
    bytes_, at = data("images"), 8
    for _ in range(struct.unpack_from("<Q", bytes_)[0]):
        start = at
        q, t = struct.unpack_from("<4d", bytes_, at + 4), struct.unpack_from("<3d", bytes_, at + 36)
        camera = struct.unpack_from("<I", bytes_, at + 60)[0]
        end = bytes_.index(0, at + 64)
        name = bytes_[at + 64 : end].decode()
        (n,) = struct.unpack_from("<Q", bytes_, end + 1)
        rows = np.frombuffer(bytes_, [("xy", "<2f8"), ("id", "<i8")], n, end + 9)
        at = end + 9 + 24 * n
        images[name] = dict(
            head=bytes_[start : start + 64], tail=bytes_[end:at], q=q, t=np.array(t),
            camera=camera, seen=[i for i in rows["id"] if i >= 0],
        )
    bytes_, at = data("points3D"), 8
    for _ in range(struct.unpack_from("<Q", bytes_)[0]):
        number, x, y, z = struct.unpack_from("<Q3d", bytes_, at)
        points[number] = np.array([x, y, z])
        at += 51 + 8 * struct.unpack_from("<Q", bytes_, at + 43)[0]
    return cameras, images, points


def rotation(q):
    """By rotating the three axes with q v q*."""
    q = np.array(q) / np.linalg.norm(q)
    w, v = q[0], q[1:]
    return np.stack([e + 2 * np.cross(v, np.cross(v, e) + w * e) for e in np.eye(3)], axis=1)


def pose(image):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(image["q"]), image["t"]
    return matrix


def dense_map(workspace, name):
    with open(f"{workspace}/stereo/depth_maps/{name}.geometric.bin", "rb") as file:
        width, height, channels, values = file.read().split(b"&", 3)
    assert int(channels) == 1
    return np.frombuffer(values, "<f4").reshape(int(height), int(width))


def make(workspace, root):
    _, images, _ = read_model(workspace)
    clip = f"{root}/colmap/train/clip"
    for folder in ["images", "sparse", "stereo/depth_maps"]:
        os.makedirs(f"{clip}/{folder}")
    os.makedirs(f"{root}/train")
    for name in ["cameras", "points3D"]:
        shutil.copyfile(f"{workspace}/sparse/{name}.bin", f"{clip}/sparse/{name}.bin")
    lines = ["https://example.org/video"]
    with open(f"{clip}/sparse/images.bin", "wb") as file:
        file.write(struct.pack("<Q", len(images)))
        for name, image in images.items():
            new = f"{TIMES[NAMES.index(name)]}.jpg" if name in NAMES else name
            file.write(image["head"] + new.encode() + image["tail"])
    for name, time in zip(NAMES, TIMES):
        shutil.copyfile(f"{workspace}/images/{name}", f"{clip}/images/{time}.jpg")
        shutil.copyfile(
            f"{workspace}/stereo/depth_maps/{name}.geometric.bin",
            f"{clip}/stereo/depth_maps/{time}.jpg.geometric.bin",
        )
        # The camera file has another unit, and a camera that does not matter.
        rows = pose(images[name])[:3] * [1, 1, 1, 7]
        numbers = " ".join(f"{value:.9f}" for value in rows.reshape(-1))
        lines.append(f"{time} 0.5 0.9 0.5 0.5 0 0 {numbers}")
    with open(f"{root}/train/clip.txt", "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


def expected_depth(workspace, model, name, height, width):
    cameras, images, points = model
    image = images[name]
    w, h, (fx, fy, cx, cy) = cameras[image["camera"]]
    seen = np.array([(pose(image) @ [*points[i], 1])[:3] for i in image["seen"]])
    x, y = fx * seen[:, 0] / seen[:, 2] + cx, fy * seen[:, 1] / seen[:, 2] + cy
    inside = (seen[:, 2] > 0) & (x >= 0) & (x < w) & (y >= 0) & (y < h)
    near, far = np.percentile(seen[inside, 2], [1, 99])
    depth = dense_map(workspace, name).astype(np.float64)
    depth[(depth < near / 2) | (depth > far * 2)] = 0
    low, high = np.percentile(depth[depth > 0], [1, 98])
    depth[(depth < low) | (depth > high)] = 0
    rows = (2 * np.arange(height) + 1) * depth.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * depth.shape[1] // (2 * width)
    return depth[np.ix_(rows, columns)].astype(np.float32)


def check(workspace, shards):
    model = read_model(workspace)
    cameras, images, _ = model
    agreed, pixels = 0, 0
    for path in sorted(glob.glob(f"{shards}/*.h5")):
        with h5py.File(path) as file:
            height, width = int(file.attrs["height"]), int(file.attrs["width"])
            for row, key in enumerate(file["key"][:]):
                at = TIMES.index(int(key.decode().split("/")[-1]))
                depth = file["depth"][row]
                expected = expected_depth(workspace, model, NAMES[at], height, width)
                wrong = int((depth != expected).sum())
                # A value on the edge of a percentile may fall on either side.
                assert wrong <= 2, f"{key}: {wrong} pixels of depth differ"
                target = np.linalg.inv(pose(images[NAMES[at]]))
                for slot, source in enumerate([at - 1, at + 1]):
                    relative = pose(images[NAMES[source]]) @ target
                    np.testing.assert_allclose(file["pose"][row, slot], relative, atol=1e-5)
                w, h, (fx, fy, cx, cy) = cameras[images[NAMES[at]]["camera"]]
                sx, sy = width / w, height / h
                camera = [[fx * sx, 0, cx * sx - 0.5], [0, fy * sy, cy * sy - 0.5], [0, 0, 1]]
                np.testing.assert_allclose(file["intrinsics"][row], camera, rtol=1e-6)
                agreed, pixels = agreed + 1, pixels + int((depth > 0).sum())
    print(f"{agreed} samples, {pixels} measured pixels")


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](sys.argv[2], sys.argv[3])

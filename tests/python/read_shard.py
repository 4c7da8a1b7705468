"""Reads one shard with plain h5py and compares it with the contract, independently of the Rust reader.

    python tests/python/read_shard.py SHARD.h5

Checks names, types, shapes, attributes, chunks, filters, time stamps, superblock and links; prints one JSON object
with the attributes and a SHA-256 of every dataset's values. Ends with 1 and a line per fault otherwise.
"""

import hashlib
import json
import sys

import h5py
import numpy as np

TEXTS = ["format", "dataset", "split", "depth_unit", "depth_source", "gt_source", "provenance"]
NUMBERS = ["version", "samples", "frames", "stride", "height", "width"]
SOURCES = ["lidar", "lidar-accumulated", "sfm", "mvs", "exact", "none"]
GROUPS = [
    {"objects", "object", "object_start", "movable"},
    {"pair", "pair_start"},
    {"gt", "gt_start"},
]
OBJECT = np.dtype(
    [("sample", "<u4"), ("index", "u1"), ("class", "u1"), ("score", "<f4", (3,)), ("iou_prev", "<f4"), ("iou_next", "<f4")]
)
PAIR = np.dtype(
    [("sample", "<u4"), ("kind", "u1"), ("origin", "u1"), ("rule", "u1"), ("size", "u1")]
    + [(name, "<u2") for name in ("far_y", "far_x", "near_y", "near_x")]
    + [("far_class", "u1"), ("near_class", "u1")]
)
GT = np.dtype([("y", "<u2"), ("x", "<u2"), ("depth", "<f4")])
CHUNKED = ["image", "depth", "semantic", "objects", "movable", "ordinal"]


def expected_types(n, t, h, w):
    return {
        "native_size": ("<u2", (n, 2)),
        "native_window": ("<u2", (n, 4)),
        "image": ("u1", (n, t, 3, h, w)),
        "depth": ("<f4", (n, h, w)),
        "intrinsics": ("<f4", (n, 3, 3)),
        "pose": ("<f4", (n, t - 1, 4, 4)),
        "semantic": ("u1", (n, h, w)),
        "objects": ("u1", (n, t, h, w)),
        "movable": ("u1", (n, h, w)),
        "ordinal": ("i1", (n, h, w)),
        "object": (OBJECT, None),
        "pair": (PAIR, None),
        "gt": (GT, None),
        "object_start": ("<u8", (n + 1,)),
        "pair_start": ("<u8", (n + 1,)),
        "gt_start": ("<u8", (n + 1,)),
    }


def check(path, fault):
    with open(path, "rb") as raw:
        start = raw.read(9)
    if start[:8] != b"\x89HDF\r\n\x1a\n" or start[8] > 3:
        fault(f"signature and superblock: {start!r}")
    with h5py.File(path, "r") as file:
        return check_open(file, fault)


def check_open(file, fault):
    attributes = dict(file.attrs)
    if sorted(attributes) != sorted(TEXTS + NUMBERS):
        fault(f"attributes: {sorted(attributes)}")
    for name in TEXTS:
        if not isinstance(attributes[name], str):
            fault(f"attribute {name} is no text: {type(attributes[name])}")
    for name in NUMBERS:
        if not np.issubdtype(type(attributes[name]), np.integer):
            fault(f"attribute {name} is no integer: {type(attributes[name])}")
    if (attributes["format"], attributes["version"]) != ("suw-shard", 1):
        fault("format or version")
    if attributes["depth_unit"] not in ("metre", "scene"):
        fault("depth_unit")
    if attributes["depth_source"] not in SOURCES or attributes["gt_source"] not in SOURCES:
        fault("sources")
    if len(attributes["provenance"].encode()) > 32 * 1024:
        fault("provenance is too long")
    json.loads(attributes["provenance"])

    names = set(file)
    if not {"key", "native_size", "native_window", "image"} <= names:
        fault(f"an object that is always there is missing: {sorted(names)}")
    for group in GROUPS:
        if names & group not in (set(), group):
            fault(f"all or none of {sorted(group)}: {sorted(names & group)}")
    n, t = int(attributes["samples"]), int(attributes["frames"])
    types = expected_types(n, t, int(attributes["height"]), int(attributes["width"]))
    if not names <= set(types) | {"key"}:
        fault(f"unknown objects: {sorted(names - set(types))}")

    digests = {}
    for name in sorted(names):
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            fault(f"/{name} is a link")
        data = file[name]
        if not isinstance(data, h5py.Dataset):
            fault(f"/{name} is no dataset")
            continue
        check_storage(name, data, fault)
        if name == "key":
            check_keys(data, n, fault)
        else:
            dtype, shape = types[name]
            if data.dtype != np.dtype(dtype) or (shape is not None and data.shape != shape):
                fault(f"/{name}: expected {dtype} {shape}, got {data.dtype} {data.shape}")
        digests[name] = hashlib.sha256(np.ascontiguousarray(data[()]).tobytes()).hexdigest()
    for name in ("object", "pair", "gt"):
        if name in names:
            check_starts(name, file[name], file[name + "_start"][()], n, fault)
    info = h5py.h5g.get_objinfo(file["/"].id)
    if info.mtime != 0:
        fault("the root group has a time stamp")
    plain = {name: value if isinstance(value, str) else int(value) for name, value in attributes.items()}
    keys = [key.decode() for key in file["key"][()]]
    return {"attributes": plain, "keys": keys, "digests": digests}


def check_storage(name, data, fault):
    plist = data.id.get_create_plist()
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if name in CHUNKED:
        if data.chunks != (1,) + data.shape[1:]:
            fault(f"/{name}: chunks {data.chunks}")
        wanted = [] if name == "image" else [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE]
        if filters != wanted:
            fault(f"/{name}: filters {filters}, expected {wanted}")
    elif data.chunks is not None or plist.get_layout() != h5py.h5d.CONTIGUOUS or filters:
        fault(f"/{name}: not contiguous")
    if plist.get_obj_track_times() or h5py.h5g.get_objinfo(data.id).mtime != 0:
        fault(f"/{name} has time stamps")


def check_keys(data, n, fault):
    kind = data.id.get_type()
    if kind.get_class() != h5py.h5t.STRING or kind.is_variable_str():
        fault("/key is no fixed-length text")
    if kind.get_cset() != h5py.h5t.CSET_ASCII or kind.get_strpad() != h5py.h5t.STR_NULLPAD:
        fault("/key is not null-padded ASCII")
    keys = list(data[()])
    if data.shape != (n,) or keys != sorted(set(keys)):
        fault("/key does not rise")


def check_starts(name, rows, starts, n, fault):
    if starts[0] != 0 or starts[-1] != len(rows) or (np.diff(starts.astype(np.int64)) < 0).any():
        fault(f"/{name}_start: {starts}")
    if "sample" in rows.dtype.names:
        wanted = np.repeat(np.arange(n), np.diff(starts.astype(np.int64)))
        if not np.array_equal(rows["sample"], wanted):
            fault(f"/{name}: column sample does not agree with the starts")


def main():
    faults = []
    digest = check(sys.argv[1], faults.append)
    if faults:
        print("\n".join(faults), file=sys.stderr)
        sys.exit(1)
    print(json.dumps(digest, sort_keys=True))


if __name__ == "__main__":
    main()

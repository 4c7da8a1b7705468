"""Makes one broken copy of a good shard for each rule of the format, with h5py, so that readers can be tried on them.

    python tests/python/break_shard.py SHARD.h5 FOLDER

Prints a JSON object: file name of the copy -> a word that a good message about it contains. SHARD.h5 must be the one
that tests/shard_contract.rs writes (tests/kit/samples.rs): its pixels are known here.
"""

import json
import os
import shutil
import sys

import h5py
import numpy as np

FAULTS = []


def fault(word):
    """Registers a function that breaks an open file; `word` is expected in the message."""

    def register(function):
        FAULTS.append((function.__name__.replace("_", "-"), word, function))
        return function

    return register


def attribute(name, value, word, title):
    def change(file):
        file.attrs[name] = value

    FAULTS.append((title, word, change))


def value(title, word, name, where, new):
    """Overwrites part of a dataset."""

    def change(file):
        data = file[name][()]
        data[where] = new
        file[name][...] = data

    FAULTS.append((title, word, change))


def field(title, word, table, row, name, new):
    """Overwrites one field, or several, of one row of a table."""

    def change(file):
        rows = file[table][()]
        names = name if isinstance(name, list) else [name]
        values = new if isinstance(name, list) and isinstance(new, list) else [new] * len(names)
        for one, number in zip(names, values):
            rows[one][row] = number
        file[table][...] = rows

    FAULTS.append((title, word, change))


def again(file, name, data=None, **options):
    """Makes a dataset again, with other data or storage."""
    data = file[name][()] if data is None else data
    del file[name]
    file.create_dataset(name, data=data, **options)


def deflated(data):
    return dict(chunks=(1,) + data.shape[1:], compression="gzip", shuffle=True)


# Header.
attribute("format", "suw-other", "format", "format")
attribute("version", 2, "version 2", "version")
attribute("frames", 2, "frames", "frames-2")
attribute("frames", 1, "frames", "frames-1-with-objects")
attribute("stride", 0, "stride", "stride")
attribute("height", 49, "shape", "height")
attribute("height", 0, "height", "height-0")
attribute("width", -1, "width", "width-negative")
attribute("width", 2**40, "width", "width-huge")
attribute("samples", 6, "shape", "samples-more")
attribute("samples", 0, "samples", "samples-none")
attribute("samples", 2**31, "samples", "samples-huge")
attribute("samples", 5.0, "integer", "samples-real")
attribute("samples", [5, 5], "scalar", "samples-list")
attribute("dataset", "a/b", "dataset", "dataset-path")
attribute("split", "", "split", "split-empty")
attribute("split", 3, "text", "split-number")
attribute("depth_unit", "feet", "depth_unit", "depth-unit")
attribute("depth_source", "none", "depth_source", "depth-source-none")
attribute("gt_source", "guess", "gt_source", "gt-source")
attribute("provenance", "{", "provenance", "provenance-cut")
attribute("provenance", "[]", "provenance", "provenance-list")
attribute("provenance", json.dumps({"a": "b" * 32768}), "provenance", "provenance-long")
attribute("author", "me", "attributes", "attribute-extra")


@fault("attributes")
def attribute_missing(file):
    del file.attrs["split"]


@fault("UTF-8")
def attribute_bytes(file):
    file.attrs["split"] = np.bytes_(b"\xff\xfe\xfd\xfc")


# Objects, links.
@fault("objects")
def object_missing(file):
    del file["movable"]


@fault("objects")
def image_missing(file):
    del file["image"]


@fault("objects")
def object_extra(file):
    file.create_dataset("extra", data=np.zeros(3, "u1"))


@fault("objects")
def subgroup(file):
    file.create_group("inner")


@fault("link")
def link_soft(file):
    file["copy"] = h5py.SoftLink("/image")


@fault("link")
def link_external(file):
    file["copy"] = h5py.ExternalLink("/etc/passwd", "/image")


@fault("link")
def link_soft_for_an_object(file):
    del file["movable"]
    file["movable"] = h5py.SoftLink("/semantic")


@fault("links")
def link_hard_for_an_object(file):
    del file["movable"]
    file["movable"] = file["semantic"]


@fault("movable")
def group_for_an_object(file):
    del file["movable"]
    file.create_group("movable")


# Types.
@fault("type")
def type_wider(file):
    data = file["depth"][()].astype("<f8")
    again(file, "depth", data, **deflated(data))


@fault("type")
def type_big_endian(file):
    again(file, "native_size", file["native_size"][()].astype(">u2"))


@fault("type")
def type_signed(file):
    data = file["semantic"][()].astype("i1")
    again(file, "semantic", data, **deflated(data))


@fault("type")
def type_with_gaps(file):
    rows = file["gt"][()]
    aligned = np.zeros(len(rows), np.dtype({"names": ["y", "x", "depth"], "formats": ["<u2", "<u2", "<f4"], "offsets": [0, 4, 8]}))
    for name in ("y", "x", "depth"):
        aligned[name] = rows[name]
    again(file, "gt", aligned)


@fault("type")
def type_in_another_order(file):
    rows = file["gt"][()]
    turned = np.zeros(len(rows), np.dtype([("x", "<u2"), ("y", "<u2"), ("depth", "<f4")]))
    again(file, "gt", turned)


@fault("type")
def key_of_variable_length(file):
    keys = [key.decode() for key in file["key"][()]]
    again(file, "key", keys, dtype=h5py.string_dtype("ascii"))


@fault("type")
def key_utf8(file):
    again(file, "key", file["key"][()].astype(h5py.string_dtype("utf-8", 35)))


# Shapes, storage.
@fault("shape")
def shape_other(file):
    again(file, "native_window", file["native_window"][()][:, :3])


@fault("shape")
def shape_flat(file):
    again(file, "intrinsics", file["intrinsics"][()].reshape(5, 9))


@fault("layout")
def image_contiguous(file):
    again(file, "image")


@fault("chunk")
def image_in_one_chunk(file):
    data = file["image"][()]
    again(file, "image", data, chunks=data.shape)


@fault("filters")
def depth_not_shuffled(file):
    data = file["depth"][()]
    again(file, "depth", data, chunks=(1,) + data.shape[1:], compression="gzip")


@fault("filters")
def depth_raw(file):
    data = file["depth"][()]
    again(file, "depth", data, chunks=(1,) + data.shape[1:])


@fault("filters")
def image_lzf(file):
    data = file["image"][()]
    again(file, "image", data, chunks=(1,) + data.shape[1:], compression="lzf")


@fault("filters")
def image_fletcher(file):
    data = file["image"][()]
    again(file, "image", data, chunks=(1,) + data.shape[1:], fletcher32=True)


@fault("layout")
def key_chunked(file):
    again(file, "key", chunks=(1,))


@fault("layout")
def key_compact(file):
    data = file["key"][()]
    del file["key"]
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    plist.set_obj_track_times(False)
    kind = h5py.h5t.py_create(data.dtype, logical=True)
    made = h5py.h5d.create(file.id, b"key", kind, h5py.h5s.create_simple(data.shape), plist)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, data)


@fault("time stamps")
def time_stamps(file):
    again(file, "native_size", track_times=True)


@fault("chunks")
def chunk_missing(file):
    data = file["semantic"][()]
    del file["semantic"]
    made = file.create_dataset("semantic", data.shape, "u1", **deflated(data))
    made[:4] = data[:4]


@fault("place")
def space_never_given(file):
    shape = file["native_size"].shape
    del file["native_size"]
    file.create_dataset("native_size", shape, "<u2")


@fault("place")
def place_outside_the_file(file):
    other = os.path.splitext(file.filename)[0] + ".raw"
    data = file["native_size"][()]
    del file["native_size"]
    file.create_dataset("native_size", data.shape, "<u2", external=[(other, 0, h5py.h5f.UNLIMITED)])


# Tables.
value("start-first", "starts", "pair_start", 0, 1)
value("start-falls", "starts", "pair_start", 2, 30)
value("start-last", "starts", "object_start", 5, 4)
value("start-huge", "starts", "gt_start", 5, 2**63)
value("start-moved", "sample", "pair_start", 2, 13)
field("column-sample", "sample", "object", 3, "sample", 2)
field("class-unknown", "class", "object", 0, "class", 7)
field("kind-unknown", "kind", "pair", 0, "kind", 2)
field("origin-unknown", "origin", "pair", 0, "origin", 4)
field("rule-unknown", "rule", "pair", 0, "rule", 4)
value("key-order", "order", "key", slice(0, 2), [b"street/drive_00/image_02/0000000001", b"street/drive_00/image_02/0000000000"])
value("key-twice", "order", "key", 1, b"street/drive_00/image_02/0000000000")
value("key-without-scene", "key", "key", 0, b"0000000000")
value("key-leaves-its-folder", "key", "key", 0, b"../image_02/0000000000")

# Values; the words are the names of the rules in FORMAT.md.
value("window-outside", "rule native-window", "native_window", (0, 3), 130)
value("window-empty", "rule native-window", "native_window", (0, 2), 0)
value("depth-nan", "rule depth", "depth", (1, 0, 0), np.nan)
value("depth-negative", "rule depth", "depth", (1, 0, 0), -1)
value("depth-infinite", "rule depth", "depth", (1, 0, 0), np.inf)
value("intrinsics-half-known", "rule intrinsics", "intrinsics", (0, 0, 0), np.nan)
value("intrinsics-skewed", "rule intrinsics", "intrinsics", (0, 0, 1), 1)
value("focal-length-negative", "rule intrinsics", "intrinsics", (0, 1, 1), -60)
value("pose-half-known", "rule pose", "pose", (0, 0, 0, 0), np.nan)
value("pose-scaled", "rule pose", "pose", (0, 0, 0, 0), 1.01)
value("pose-mirrored", "rule pose", "pose", (0, 0, 0, 0), -1)
value("pose-last-row", "rule pose", "pose", (0, 0, 3, 0), 1)
value("semantic-19", "rule semantic", "semantic", (0, 47, 63), 19)
value("ordinal-2", "rule ordinal", "ordinal", (0, 20, 20), 2)
value("object-unknown", "rule object-map", "objects", (0, 0, 0, 0), 2)
value("object-absent", "rule object-area", "objects", (0, 2), 0)
value("object-small", "rule object-area", "objects", (0, 0, slice(20, 27)), 0)  # 7 x 14 = 98 pixels are left
value("movable-2", "rule movable", "movable", (0, 0, 0), 2)
value("movable-too-small", "rule movable", "movable", (0, 21, 11), 0)
field("object-index", "rule object-index", "object", 0, "index", 2)
field("object-score", "rule object-score", "object", 0, "score", [0.75, 0.875, 0.49])
field("object-score-nan", "rule object-score", "object", 0, "score", [0.75, np.nan, 0.5])
field("object-iou", "rule object-iou", "object", 0, "iou_prev", 0.3)
field("object-iou-above-1", "rule object-iou", "object", 0, "iou_next", 1.01)
field("gt-outside", "rule gt", "gt", 0, "y", 100)
field("gt-zero", "rule gt", "gt", 0, "depth", 0)
# Rows of the first sample: 0 A patch, 1 B pixel, 2 C patch, 3 same patch, 4 ground truth, 5 ordinal map.
field("pair-size-even", "rule pair-size", "pair", 0, "size", 4)
field("pair-size-11", "rule pair-size", "pair", 0, "size", 11)
field("pair-pixel-of-3", "rule pair-size", "pair", 1, "size", 3)
field("pair-rule-missing", "rule pair-rule", "pair", 0, "rule", 0)
field("pair-rule-for-same-class", "rule pair-rule", "pair", 3, "rule", 3)
field("pair-ends-past-the-edge", "rule pair-place", "pair", 0, "far_x", 0)
field("pair-far-away", "rule pair-place", "pair", 4, "far_y", 48)
field("pair-ends-overlap", "rule pair-overlap", "pair", 3, "near_y", 33)
field("pair-class-19", "rule pair-class", "pair", 4, "far_class", 19)
field("pair-sky-near", "rule pair-class", "pair", 0, "near_class", 10)
field("pair-no-sky-far", "rule pair-class", "pair", 0, "far_class", 2)
field("pair-sidewalk-near-a-tree", "rule pair-class", "pair", 1, "near_class", 1)
field("pair-object-on-terrain", "rule pair-class", "pair", 2, "near_class", 9)
field("pair-same-of-two-classes", "rule pair-class", "pair", 3, "far_class", 9)
field("pair-same-building", "rule pair-class", "pair", 3, ["far_class", "near_class"], 2)
field("pair-near-the-edge-of-its-class", "rule pair-pure", "pair", 0, "far_y", 13)
field("pair-pixel-near-the-edge", "rule pair-pure", "pair", 1, "far_x", 30)
field("pair-of-another-class", "rule pair-pure", "pair", 1, "near_class", 9)
field("pair-on-both-sides", "rule pair-geometry", "pair", 1, "near_x", 40)
field("pair-beside-the-object", "rule pair-geometry", "pair", 2, "near_x", 40)
field("pair-ground-truth-turned", "rule pair-depth", "pair", 4, ["far_y", "near_y"], [46, 26])
field("pair-ground-truth-unmeasured", "rule pair-depth", "pair", 4, "near_x", 41)
field("pair-ordinal-turned", "rule pair-ordinal", "pair", 5, ["far_y", "near_y"], [46, 2])


@fault("rule pair-kind")
def pair_patch_from_depth(file):
    rows = file["pair"][()]
    rows["kind"][4], rows["size"][4] = 1, 3
    file["pair"][...] = rows


@fault("rule pair-geometry")
def pair_same_turned(file):
    rows = file["pair"][()]
    rows["far_y"][3], rows["near_y"][3] = rows["near_y"][3], rows["far_y"][3]
    file["pair"][...] = rows


@fault("rule pair-geometry")
def pair_tree_below_road(file):
    # A tree hangs below the road: row order must not follow the classes.
    semantic = file["semantic"][()]
    semantic[0, 36:48, 24:34] = 2
    file["semantic"][...] = semantic
    rows = file["pair"][()]
    rows["far_y"][1], rows["far_x"][1], rows["near_y"][1] = 42, 28, 30
    file["pair"][...] = rows


@fault("rule pair-region")
def pair_same_of_two_regions(file):
    semantic = file["semantic"][()]
    semantic[0, 36, :] = 1  # a strip of sidewalk across the road
    file["semantic"][...] = semantic
    rows = file["pair"][()]
    rows["near_y"][2] = 32  # the pair of rule C would touch the strip
    rows = np.delete(rows, 2)
    starts = file["pair_start"][()]
    starts[1:] -= 1
    file["pair_start"][...] = starts
    again(file, "pair", rows)


@fault("rule pair-twice")
def pair_twice(file):
    rows = file["pair"][()]
    rows[3] = rows[0]
    file["pair"][...] = rows


@fault("rule pair-pool")
def pair_pool_too_large(file):
    file.attrs["provenance"] = json.dumps({"pairs": {"per_rule": 0}})


# Whole files.
def cut(path):
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) // 2)


def cut_late(path):
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) - 1)


def empty(path):
    open(path, "wb").close()


def text(path):
    with open(path, "w") as file:
        file.write("This is no HDF5 file.\n")


def user_block(path):
    whole = path + ".whole"
    os.rename(path, whole)
    with h5py.File(whole) as old, h5py.File(path, "w", userblock_size=512, libver="v108") as new:
        for name, item in old.attrs.items():
            new.attrs[name] = item
        for name in old:
            old.copy(name, new)
    os.remove(whole)


def deflate_broken(path):
    with h5py.File(path) as file:
        info = file["semantic"].id.get_chunk_info(2)
    with open(path, "r+b") as raw:
        raw.seek(info.byte_offset + 2)
        raw.write(b"\xff" * (info.size - 2))


FILES = [
    (cut, "cannot"),
    (cut_late, "cannot"),
    (empty, "signature"),
    (text, "signature"),
    (user_block, "signature"),
    (deflate_broken, "deflate"),
]


def main():
    source, folder = sys.argv[1:]
    words = {}
    for title, word, change in FAULTS:
        path = os.path.join(folder, title + ".h5")
        shutil.copy(source, path)
        with h5py.File(path, "r+") as file:
            change(file)
        words[title + ".h5"] = word
    for change, word in FILES:
        title = change.__name__.replace("_", "-") + ".h5"
        path = os.path.join(folder, title)
        shutil.copy(source, path)
        change(path)
        words[title] = word
    print(json.dumps(words, sort_keys=True))


if __name__ == "__main__":
    main()

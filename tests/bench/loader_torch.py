"""How fast Python loaders hand over the samples of a shard set: DataLoader over h5py, MosaicML Streaming, WebDataset.

    python tests/bench/loader_torch.py SHARDS --work DIR [--kinds h5py,streaming,webdataset] [--learn s|suw] [--epochs 3] [--json]

Every loader gives what training needs of a sample: the frames, depth, intrinsics, motion, object maps and one pair (`suw`), or
the target frame and depth (`s`); mirrored with probability one half; shuffled; in batches of 4 as tensors; two workers. The
samples are first written to DIR once in the format of each library, raw, as those libraries advise for speed.
"""

import argparse
import io
import json
import statistics
import time
import warnings
from pathlib import Path

import h5py
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

BATCH, WORKERS = 4, 2
# Streaming hands over read-only arrays, which nobody writes to here.
warnings.filterwarnings("ignore", message="The given NumPy array is not writable")


def read_row(file, row, learn):
    """The arrays of one sample, as stored."""
    frames = file["image"].shape[1]
    sample = {"depth": file["depth"][row]}
    if learn == "s":
        return {"image": file["image"][row, frames // 2], **sample}
    first, end = file["pair_start"][row : row + 2]
    # One pair: reading the pool and drawing from it.
    pool = file["pair"][first:end]
    drawn = pool[np.random.randint(len(pool))] if len(pool) else None
    names = ("far_y", "far_x", "near_y", "near_x", "size")
    pair = np.array([int(drawn[name]) for name in names] if drawn is not None else [-1] * 5, np.int64)
    pose = file["pose"][row] if "pose" in file else np.full((2, 4, 4), np.nan, np.float32)
    return {
        "image": file["image"][row],
        "intrinsics": file["intrinsics"][row],
        "pose": pose,
        "objects": file["objects"][row],
        "pair": pair,
        **sample,
    }


def mirrored(sample):
    """Half of the samples turned left to right, as tensors."""
    if np.random.rand() < 0.5:
        width = sample["image"].shape[-1]
        for name in ("image", "depth", "objects"):
            if name in sample:
                sample[name] = np.ascontiguousarray(sample[name][..., ::-1])
        if "intrinsics" in sample:
            sample["intrinsics"] = sample["intrinsics"].copy()
            sample["intrinsics"][0, 2] = width - 1 - sample["intrinsics"][0, 2]
        if "pair" in sample:
            sample["pair"] = sample["pair"].copy()
            sample["pair"][[1, 3]] = width - 1 - sample["pair"][[1, 3]]
    return {name: torch.from_numpy(np.asarray(value)) for name, value in sample.items()}


class OverH5py(Dataset):
    """Files are opened once per worker."""

    def __init__(self, shards, learn):
        self.paths = sorted(Path(shards).glob("*.h5"))
        self.learn, self.files = learn, None
        self.rows = []
        for number, path in enumerate(self.paths):
            with h5py.File(path) as file:
                self.rows += [(number, row) for row in range(len(file["key"]))]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        if self.files is None:
            self.files = [h5py.File(path) for path in self.paths]
        number, row = self.rows[index]
        return mirrored(read_row(self.files[number], row, self.learn))


def h5py_loader(shards, learn, _work):
    data = OverH5py(shards, learn)
    return DataLoader(data, BATCH, shuffle=True, num_workers=WORKERS, drop_last=True, persistent_workers=True)


def samples_of(shards, learn):
    data = OverH5py(shards, learn)
    data.files = [h5py.File(path) for path in data.paths]
    for number, row in data.rows:
        yield read_row(data.files[number], row, learn)


def streaming_loader(shards, learn, work):
    from streaming import MDSWriter, StreamingDataset

    folder = work / f"mds-{learn}"
    if not (folder / "index.json").exists():
        columns = None
        for sample in samples_of(shards, learn):
            sample = {name: np.ascontiguousarray(value) for name, value in sample.items()}
            if columns is None:
                columns = {
                    name: f"ndarray:{value.dtype}:{','.join(map(str, value.shape))}" for name, value in sample.items()
                }
                writer = MDSWriter(out=str(folder), columns=columns)
            writer.write(sample)
        writer.finish()

    class Mirrored(StreamingDataset):
        def __getitem__(self, index):
            return mirrored(super().__getitem__(index))

    data = Mirrored(local=str(folder), shuffle=True, batch_size=BATCH)
    return DataLoader(data, BATCH, num_workers=WORKERS, drop_last=True, persistent_workers=True)


def webdataset_loader(shards, learn, work):
    import webdataset

    folder = work / f"wds-{learn}"
    if not folder.exists():
        folder.mkdir(parents=True)
        with webdataset.ShardWriter(str(folder / "%05d.tar"), maxcount=32, verbose=0) as writer:
            for number, sample in enumerate(samples_of(shards, learn)):
                row = {"__key__": f"{number:06d}"}
                for name, value in sample.items():
                    row[f"{name}.npy"] = np.ascontiguousarray(value)
                writer.write(row)

    def decoded(row):
        sample = {
            name[: -len(".npy")]: np.load(io.BytesIO(value)) for name, value in row.items() if name.endswith(".npy")
        }
        return mirrored(sample)

    urls = sorted(str(path) for path in folder.glob("*.tar"))
    data = webdataset.WebDataset(urls, shardshuffle=len(urls), workersplitter=webdataset.split_by_worker)
    data = data.shuffle(64).map(decoded).batched(BATCH, collation_fn=default_collate, partial=False)
    return DataLoader(data, batch_size=None, num_workers=WORKERS, persistent_workers=True)


LOADERS = {"h5py": h5py_loader, "streaming": streaming_loader, "webdataset": webdataset_loader}


def measured(loader, epochs):
    """Samples per second of every epoch after the first."""
    rates = []
    for epoch in range(epochs + 1):
        start, n_samples = time.perf_counter(), 0
        for batch in loader:
            n_samples += len(batch["depth"])
        if epoch > 0:
            rates.append(n_samples / (time.perf_counter() - start))
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--kinds", default="h5py,streaming,webdataset")
    parser.add_argument("--learn", choices=["s", "suw"], default="suw")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    report = {}
    for kind in args.kinds.split(","):
        rates = measured(LOADERS[kind](args.shards, args.learn, args.work), args.epochs)
        report[kind] = statistics.median(rates)
        if not args.json:
            print(f"{kind}: {report[kind]:.0f} samples/s (epochs: {', '.join(f'{rate:.0f}' for rate in rates)})")
    if args.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()

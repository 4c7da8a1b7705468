"""Benchmarks of suw-preprocess beside the Python of this folder; prints Markdown. Sides alternate in one run, medians count.

    python tests/bench/preprocess.py [--only offline networks floor masks validate memory start] [--times 5]
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import data
import measure

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
PROGRAM = PROJECT / "target/release/suw-preprocess"
RUN = """seed = 1
size = "{size}"
fit = "{fit}"
[input]
manifest = "{work}/{name}.json"
root = "{root}"
[output]
dir = "{work}/shards-{name}"
samples_per_shard = 16
[depth]
source = "lidar"
[masks]
{masks}
[pairs]
per_rule = 32
rules = "data-manifests/rules/driving.toml"
"""


def say(*columns):
    print("| " + " | ".join(str(column) for column in columns) + " |", flush=True)


def table(*heads):
    print()
    say(*heads)
    print("|" + "---|" * len(heads))


def prepare(work, name, root, masks, size="1216x352", fit="crop", split=None):
    """Scans and writes a run file; returns its path."""
    command = [PROGRAM, "scan", "--dataset", "kitti", "--root", root, "--out", work / f"{name}.json", *(["--split", split] if split else [])]
    subprocess.run(command, check=True, capture_output=True)
    path = work / f"{name}.toml"
    path.write_text(RUN.format(size=size, fit=fit, work=work, name=name, root=root, masks=masks))
    return path


def clear(*folders):
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def versus(title, ours, python, clips, times, before):
    """Both sides in turn; rows of the table, and the medians."""
    found = measure.alternate({"suw-preprocess": ours, "Python": python}, times, before)
    table(title, "wall, s", "clips/s", "processor time a clip, ms", "peak memory, MB")
    medians = {}
    for side, figures in found.items():
        wall, cpu, memory = (measure.median(figures, of) for of in ("wall", "cpu", "memory"))
        medians[side] = (wall, memory)
        say(side, f"{wall:.2f}", f"{clips / wall:.1f}", f"{1e3 * cpu / clips:.1f}", f"{memory:.0f}")
    ratio = medians["Python"][0] / medians["suw-preprocess"][0]
    say("**ratio**", f"**{ratio:.2f}**", "", "", f"{medians['Python'][1] / medians['suw-preprocess'][1]:.2f}")
    return medians


def offline(args):
    drives = 10
    data.repeat_excerpt(args.data, args.work / "300", drives)
    root, masks = args.work / "300/kitti", args.work / "300/masks"
    path = prepare(args.work, "offline", root, f'root = "{masks}"\nsource = "import"')
    ours = [PROGRAM, "run", path, "-q", "--threads", "2"]
    python = [sys.executable, HERE / "pipeline.py", "--root", root, "--masks", masks, "--out", args.work / "python"]
    before = lambda _: clear(args.work / "shards-offline", args.work / "python")
    versus("everything but inference: 280 clips of 300 frames, 1216x352", ours, python, 28 * drives, args.times, before)
    print("\nOther numbers of threads (suw-preprocess, wall s):", end="")
    for threads in (1, 4):
        clear(args.work / "shards-offline")
        print(f" {threads}: {measure.run([PROGRAM, 'run', path, '-q', '--threads', threads]).wall:.2f};", end="")
    print()


def street(args, name, drives, frames, size):
    root = args.work / name
    if not (root / "complete").exists():
        clear(root)
        subprocess.run([PROGRAM, "synth", "--out", root, "--drives", str(drives), "--frames", str(frames), "--size", size, "--seed", "77"],
                       check=True, capture_output=True)
        (root / "complete").touch()
    return root


def model_masks(args, name, specs):
    return f'root = "{args.work}/masks-{name}"\nsource = "models"\ninstance = "{specs[0]}"\nsemantic = "{specs[1]}"'


def networks(args):
    root = street(args, "street", 4, 18, "416x128")
    models = PROJECT / "data-manifests/models"
    path = prepare(args.work, "networks", root, model_masks(args, "networks", ["data-manifests/models/demo-mask-rcnn.toml", "data-manifests/models/demo-pspnet.toml"]), "416x128", "resize")
    ours = [PROGRAM, "run", path, "-q", "--threads", "2"]
    python = [sys.executable, HERE / "pipeline.py", "--root", root, "--out", args.work / "python", "--size", "416x128", "--fit", "resize",
              "--mask-rcnn", models / "demo-mask-rcnn.onnx", "--pspnet", models / "demo-pspnet.onnx"]
    before = lambda _: clear(args.work / "shards-networks", args.work / "masks-networks", args.work / "python")
    versus("with the demo networks: 64 clips of 72 frames, 416x128", ours, python, 64, args.times, before)


def floor(args):
    """The full-size networks (random weights): against the time that ONNX Runtime itself needs for the same calls."""
    models = [args.full / name for name in ("mask-rcnn-r50-fpn", "pspnet-r50-cityscapes")]
    if not all(model.with_suffix(".onnx").exists() for model in models):
        print(f"\nfloor: left out, no exports in {args.full}; see tests/bench/README.md")
        return
    drives, each = 4, 3  # more than one shard, so that both of Python's processes have work
    data.repeat_excerpt(args.data, args.work / "120", drives)
    root = args.work / "120/kitti"
    names = [f"{data.DATE}/{data.DATE}_drive_{drive + 1:04}_sync" for drive in range(drives)]
    split = args.work / "middle.txt"
    split.write_text("".join(f"{name} 1 l\n" for name in names))
    path = prepare(args.work, "full", root, model_masks(args, "full", [model.with_suffix(".toml") for model in models]), split=split)
    picture = lambda name, frame: root / f"{name}/image_02/data/{frame:010}.png"
    pictures = [picture(name, frame) for name in names for frame in range(each)]
    middle = [picture(name, 1) for name in names]
    onnx = [model.with_suffix(".onnx") for model in models]
    program = lambda threads, intra: [PROGRAM, "masks", path, "-q", "--threads", threads, "--set", f"masks.intra_threads={intra}"]
    alone = lambda sessions, threads: [sys.executable, HERE / "floor.py", *onnx, "--pictures", *pictures, "--middle", *middle, "--sessions", sessions, "--threads", threads]
    python = lambda workers, threads: [sys.executable, HERE / "pipeline.py", "--root", root, "--out", args.work / "python", "--mask-rcnn", onnx[0],
                                       "--pspnet", onnx[1], "--first", each, "--workers", workers, "--intra-threads", threads]
    settings = {
        "ONNX Runtime alone": {"2 sessions of 1 thread": alone(2, 1), "1 session of 2 threads": alone(1, 2)},
        "suw-preprocess masks": {"2 sessions of 1 thread": program(2, 1), "1 session of 2 threads": program(2, 2)},
        "Python": {"2 processes of 1 thread": python(2, 1), "1 process of 2 threads": python(1, 2)},
    }
    rounds = lambda sides, times: measure.alternate(sides, times, lambda _: clear(args.work / "masks-full", args.work / "python"), warm=False)
    best = {}
    table(f"full-size networks, {drives * each} frames, every setting once", *FLOOR_COLUMNS)
    for side, commands in settings.items():
        found = rounds({f"{side}, {setting}": command for setting, command in commands.items()}, 1)
        tried = {setting: say_floor(setting, figures) for setting, figures in found.items()}
        quickest = min(tried, key=lambda setting: tried[setting][1] or tried[setting][0])
        best[quickest] = commands[quickest.removeprefix(f"{side}, ")]
    found = rounds(best, max(1, args.times // 2))
    table("the quicker of each, medians of rounds by turns", *FLOOR_COLUMNS)
    (opened, calls, _), (ours, _, memory), (_, _, python_memory) = (say_floor(side, figures) for side, figures in found.items())
    say("**ratio**", f"**{ours / calls:.2f}** of the calls, {ours / opened:.2f} of opening and calling", "", f"{memory / python_memory:.2f} of Python's")


FLOOR_COLUMNS = ("whole program, wall, s", "calls alone, s", "peak memory, MB")


def say_floor(side, figures):
    """A row of the table; medians of wall seconds, seconds of the calls where a side measures them, and memory."""
    wall, memory = measure.median(figures, "wall"), measure.median(figures, "memory")
    calls = [json.loads(figure.stdout)["seconds"] for figure in figures if figure.stdout.startswith('{"seconds"')]
    calls = statistics.median(calls) if calls else None
    say(side, f"{wall:.2f}", f"{calls:.2f}" if calls else "", f"{memory:.0f}")
    return wall, calls, memory


def masks(args):
    import masks as peer
    found = subprocess.run(["cargo", "bench", "--locked", "-q", "-p", "suw-preprocess", "--bench", "masks", "--", args.data],
                           check=True, capture_output=True, text=True, cwd=PROJECT).stdout
    ours = json.loads(found.strip().splitlines()[-1])
    table("run-length masks, one thread", "ours, ms", "pycocotools, ms", "ratio", "dense NumPy, ms (from every 20th pair)")
    for what, mine, coco, dense in peer.measure(args.data, ours):
        say(what, f"{mine:.0f}", f"{coco:.0f}", f"{coco / mine:.1f}", f"{dense:.0f}" if dense else "")


def validate(args):
    b3sum = shutil.which("b3sum") or PROJECT / ".deps/bench-bin/bin/b3sum"
    data.repeat_excerpt(args.data, args.work / "300", 10)
    root = args.work / "300/kitti"
    path = prepare(args.work, "offline", root, f'root = "{args.work}/300/masks"\nsource = "import"')
    shards = args.work / "shards-offline"
    measure.run([PROGRAM, "run", path, "-q"])
    files = sorted(shards.glob("*.h5"))
    size = sum(file.stat().st_size for file in files) / 1e9
    found = measure.alternate({"validate": [PROGRAM, "validate", shards / "manifest.json"], "b3sum": [b3sum, *files]}, args.times)
    walls = {side: measure.median(figures, "wall") for side, figures in found.items()}
    table(f"checksums of {size:.2f} GB of shards, from the page cache", "wall, s", "GB/s")
    for side, wall in walls.items():
        say(side, f"{wall:.3f}", f"{size / wall:.2f}")
    say("**ratio of speed**", f"**{walls['b3sum'] / walls['validate']:.2f}**", "")


def memory(args):
    """Ten times the frames: the whole long run beside the short one. Memory goes up and down by a tenth, so a straight line through the long
    run says more about growth than its peak."""
    sides = {}
    for frames in (300, 3000):
        root = args.work / str(frames)
        data.repeat_excerpt(args.data, root, frames // 30)
        path = prepare(args.work, f"memory-{frames}", root / "kitti", f'root = "{root}/masks"\nsource = "import"')
        sides[frames] = [PROGRAM, "run", path, "-q", "--threads", 2]
    places = [args.work / f"shards-memory-{frames}" for frames in sides]
    found = measure.alternate(sides, max(1, args.times // 2), lambda _: clear(*places))
    clear(*places)
    table("resident memory: run, 2 threads", "frames", "peak, MB", "median, MB", "line through the run, from - to, MB")
    for frames, figures in found.items():
        usual = statistics.median(statistics.median(figure.sizes) for figure in figures)
        begin, end = (statistics.median(ends) for ends in zip(*(line(figure.sizes) for figure in figures)))
        say("", frames, f"{measure.median(figures, 'memory'):.0f}", f"{usual:.0f}", f"{begin:.0f} - {end:.0f}")


def line(sizes):
    """The least-squares line's first and last value, without the first twentieth, in which the program starts."""
    sizes = sizes[len(sizes) // 20 :]
    slope, begin = statistics.linear_regression(range(len(sizes)), sizes)
    return begin, begin + slope * (len(sizes) - 1)


def start(args):
    table("start", "median, ms")
    walls = sorted(measure.run([PROGRAM, "--help"]).wall for _ in range(21))
    say("`--help`", f"{1e3 * walls[10]:.0f}")
    tree = args.work / "many"
    if not (tree / "complete").exists():
        clear(tree)
        import cv2
        import numpy as np

        # `plan` opens no picture: small ones will do. Two files, since a file has no more than 65,000 names.
        pictures = [args.work / f"small-{n}.png" for n in range(2)]
        for picture in pictures:
            cv2.imwrite(str(picture), np.zeros((8, 8, 3), np.uint8))
        date = tree / data.DATE
        for drive in range(100):
            folder = date / f"{data.DATE}_drive_{drive:04}_sync/image_02/data"
            folder.mkdir(parents=True)
            for frame in range(1000):
                os.link(pictures[drive % 2], folder / f"{frame:010}.png")
        for path in (args.data / "kitti" / data.DATE).glob("calib_*.txt"):
            data.link(path, date / path.name)
        (tree / "complete").touch()
    path = prepare(args.work, "many", tree, f'root = "{args.work}/300/masks"\nsource = "import"', "416x128", "resize")
    path.write_text(path.read_text().replace('source = "lidar"', 'source = "none"'))
    walls = sorted(measure.run([PROGRAM, "plan", path]).wall for _ in range(args.times))
    say("`plan` on 100,000 frames", f"{1e3 * walls[len(walls) // 2]:.0f}")


PARTS = {"offline": offline, "networks": networks, "floor": floor, "masks": masks, "validate": validate, "memory": memory, "start": start}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--work", type=Path, default=PROJECT / "target/bench")
    parser.add_argument("--full", type=Path, default=PROJECT / "target/bench/full", help="folder of the full-size exports")
    args = parser.parse_args()
    args.data = data.shared_data(PROJECT)
    args.work.mkdir(parents=True, exist_ok=True)
    os.chdir(PROJECT)
    for part in args.only:
        PARTS[part](args)


if __name__ == "__main__":
    main()

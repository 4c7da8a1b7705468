"""Data of the benchmarks: the thirty frames of the KITTI excerpt, repeated as drives of their own."""
import os
import shutil
from pathlib import Path

DATE, DRIVE = "2011_09_26", "2011_09_26_drive_9001_sync"


def link(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def repeat_excerpt(shared, out, drives):
    """`out/kitti` and `out/masks` with so many drives of thirty frames; kept where they are complete."""
    done = out / f"complete-{drives}"
    if done.exists():
        return
    for number in range(drives):
        name = f"{DATE}_drive_{number + 1:04}_sync"
        for source, target in ((shared / "kitti", out / "kitti"), (shared / "kitti-labels", out / "masks")):
            for path in sorted((source / DATE / DRIVE).rglob("*")):
                if path.is_file():
                    link(path, target / DATE / name / path.relative_to(source / DATE / DRIVE))
    for path in (shared / "kitti" / DATE).glob("calib_*.txt"):
        link(path, out / "kitti" / DATE / path.name)
    done.touch()


def shared_data(project):
    data = Path(os.environ.get("SUW_SHARED_DATA", project.parent / "shared/data"))
    if not (data / "kitti").is_dir():
        raise SystemExit(f"the benchmarks need the KITTI excerpt in {data}; set SUW_SHARED_DATA to where it is")
    return data

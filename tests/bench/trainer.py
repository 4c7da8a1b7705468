"""The trainer's benchmarks beside their peers in Python, by turns on one machine: steps on the CPU, and loaders.

    python tests/bench/trainer.py [--shards SHARDS --run RUN.toml] [--rounds 5] [--out FILE.json] [--only step|loader]

Each round runs both sides one after the other, so that what else the machine does meets both alike; medians over the rounds
and their ratios are printed. The loaders are compared only where shards and a run file that reads them are given.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TRAINER = Path(os.environ.get("SUW_TRAINER", ROOT / "target" / "release" / "suw-trainer"))
HERE = ROOT / "tests" / "bench"


def asked(command):
    """The JSON that a command prints in its last line."""
    done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare_steps(rounds, steps, warmup, work):
    results = {}
    for learn in ("s", "suw"):
        case = work / f"case-{learn}"
        ours, theirs = [], []
        for _ in range(rounds):
            common = ["--steps", steps, "--warmup", warmup, "--json"]
            ours.append(asked([TRAINER, "bench", "step", "--learn", learn, "--dump", case, *common]))
            threads = ours[-1]["threads"]
            theirs.append(asked([sys.executable, HERE / "step_torch.py", case, "--threads", threads, *common]))
        of = lambda runs: statistics.median(run["median_ms"] for run in runs)
        results[learn] = {
            "ours_ms": of(ours),
            "torch_ms": of(theirs),
            "ratio": of(ours) / of(theirs),
            "ratio_of_least": min(run["min_ms"] for run in ours) / min(run["min_ms"] for run in theirs),
            "ours_mib": max(run["peak_mib"] for run in ours),
            "torch_mib": max(run["peak_mib"] for run in theirs),
            "parts_ms": {
                name: statistics.median(run["parts_ms"][name] for run in ours) for name in ours[0]["parts_ms"]
            },
            "runs_ms": [[a["median_ms"], b["median_ms"]] for a, b in zip(ours, theirs)],
        }
        print(
            f"step {learn}: {of(ours):.0f} ms, PyTorch {of(theirs):.0f} ms: {results[learn]['ratio']:.2f} of its time"
            f" (least {results[learn]['ratio_of_least']:.2f})",
            flush=True,
        )
    return results


def compare_totals(work, steps=50):
    """Total losses over `steps` updates from the same weights: ours against PyTorch's, and PyTorch's with two threads against its
    own with one, for every update multiplies rounding."""
    results = {}
    apart = lambda one, other: [abs(a - b) / abs(b) for a, b in zip(one["totals"], other["totals"], strict=True)]
    for learn in ("s", "suw"):
        case = work / f"totals-{learn}"
        common = ["--steps", steps, "--warmup", 0, "--kind", "float64", "--json"]
        ours = asked([TRAINER, "bench", "step", "--learn", learn, "--dump", case, "--size", "64x32", "--batch", "2", "--threads", 1, *common])
        theirs = [asked([sys.executable, HERE / "step_torch.py", case, "--threads", n, *common]) for n in (1, 2)]
        found = {"ours": apart(ours, theirs[0]), "torch": apart(theirs[1], theirs[0])}
        results[learn] = {name: {"by_update": off[:6], "most": max(off)} for name, off in found.items()}
        for name, off in found.items():
            words = " ".join(f"{x:.0e}" for x in off[:6])
            print(f"losses {learn}, {name} against PyTorch with one thread: off by {words} in the first updates, at most {max(off):.0e} in {steps}", flush=True)
    return results


def compare_loaders(rounds, shards, run, work):
    results = {}
    for learn in ("s", "suw"):
        kinds = {"s": '["S"]', "suw": '["S", "U", "W"]'}[learn]
        sets = ["--set", f'data.train=["{shards}"]', "--set", "data.validation=[]", "--set", f"losses.use={kinds}"]
        sets += ["--set", "data.readers=2", "--set", "train.batch=4"]
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(asked([TRAINER, "bench", "loader", run, *sets, "--epochs", 6, "--json"]))
            command = [sys.executable, HERE / "loader_torch.py", shards, "--work", work, "--learn", learn, "--json"]
            theirs.append(asked(command))
        rate = statistics.median(run["samples_per_s"] for run in ours)
        results[learn] = {
            "ours": rate,
            "share_of_copy": statistics.median(run["share_of_copy"] for run in ours),
            "bytes_per_s": statistics.median(run["bytes_per_s"] for run in ours),
        }
        words = []
        for kind in theirs[0]:
            peer = statistics.median(run[kind] for run in theirs)
            results[learn][kind] = peer
            words.append(f"{kind} {peer:.0f} ({rate / peer:.1f}x)")
        share = 100 * results[learn]["share_of_copy"]
        print(f"loader {learn}: {rate:.0f} samples/s, {share:.1f} % of a copy; {', '.join(words)}", flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--run", type=Path, default=ROOT / "data-manifests" / "training" / "demo.toml")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--only", choices=["step", "loader"])
    parser.add_argument("--work", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    os.environ.pop("OMP_NUM_THREADS", None)
    with tempfile.TemporaryDirectory() as folder:
        work = args.work or Path(folder)
        report = {}
        if args.only != "loader":
            report["step"] = compare_steps(args.rounds, args.steps, args.warmup, work)
            report["losses"] = compare_totals(work)
        if args.only != "step" and args.shards:
            report["loader"] = compare_loaders(args.rounds, args.shards.resolve(), args.run, work)
        if args.out:
            args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

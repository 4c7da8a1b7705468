#!/usr/bin/env python3
"""Fetches the native libraries into .deps/py: libtorch, ONNX Runtime and the cmake that builds HDF5.

They come as wheels from PyPI through pip, whatever Python runs here; only the members that the programs need are
kept. A stamp file per wheel makes a second call do nothing. `--cuda` fetches the full CUDA set beside them.
"""
import argparse
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEPS = ROOT / ".deps"
PY = DEPS / "py"

# name -> (requirement, predicate on member names)
CPU = {
    "torch": (
        "torch==2.11.0",
        lambda n: n.startswith("torch/include/")
        or (n.startswith("torch/lib/") and Path(n).name.startswith(("libc10.", "libtorch.", "libtorch_cpu.", "libgomp"))),
    ),
    "cudart": ("nvidia-cuda-runtime==13.0.96", lambda n: n.startswith("nvidia/")),
    "cupti": ("nvidia-cuda-cupti==13.0.85", lambda n: n.startswith("nvidia/")),
    "onnxruntime": (
        "onnxruntime==1.31.1",
        lambda n: n.startswith("onnxruntime/capi/libonnxruntime") or "LICENSE" in n,
    ),
    "cmake": ("cmake==4.4.4", lambda n: n.startswith("cmake/")),
}

# Beside them for GPU machines: the rest of torch, the CUDA libraries that it loads (versions of its own requirements),
# and the CUDA provider of ONNX Runtime. About 2.7 GB.
CUDA = {
    "torch-cuda": ("torch==2.11.0", lambda n: n.startswith("torch/lib/") and "python" not in n),
    "onnxruntime-gpu": ("onnxruntime-gpu==1.31.1", lambda n: n.startswith("onnxruntime/capi/libonnxruntime")),
    **{
        name: (f"{name}=={version}", lambda n: n.startswith("nvidia/") and "/include/" not in n)
        for name, version in [
            ("nvidia-cublas", "13.1.0.3"),
            ("nvidia-cuda-nvrtc", "13.0.88"),
            ("nvidia-cudnn-cu13", "9.19.0.56"),
            ("nvidia-cufft", "12.0.0.61"),
            ("nvidia-cufile", "1.15.1.6"),
            ("nvidia-curand", "10.4.0.35"),
            ("nvidia-cusolver", "12.0.4.66"),
            ("nvidia-cusparse", "12.6.3.3"),
            ("nvidia-cusparselt-cu13", "0.8.0"),
            ("nvidia-nccl-cu13", "2.28.9"),
            ("nvidia-nvjitlink", "13.0.88"),
            ("nvidia-nvshmem-cu13", "3.4.5"),
            ("nvidia-nvtx", "13.0.85"),
        ]
    },
}


def fetch(name, requirement, keep):
    stamp = DEPS / "stamps" / f"{name}.txt"
    if stamp.exists() and stamp.read_text() == requirement:
        return
    print(f"set-up: fetching {requirement}", flush=True)
    wheels = DEPS / "wheels" / name
    shutil.rmtree(wheels, ignore_errors=True)
    wheels.mkdir(parents=True)
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(28, 16, -1)] + ["manylinux2014_x86_64", "any"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311",
               "--abi", "abi3", "--abi", "none", "--dest", str(wheels)]
    command += [word for platform in platforms for word in ("--platform", platform)] + [requirement]
    if subprocess.run(command).returncode != 0:
        sys.exit(f"set-up: cannot fetch {requirement} with pip; check that this machine reaches PyPI and has 2 GB free")
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                if member.is_dir() or not keep(member.filename):
                    continue
                target = PY / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                part = target.with_name(target.name + ".part")
                with archive.open(member) as source, open(part, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
                # zip loses the run bits; cmake would not start without them
                part.chmod((member.external_attr >> 16) & 0o777 or 0o644)
                if "/bin/" in member.filename:
                    part.chmod(0o755)
                part.replace(target)
    shutil.rmtree(wheels)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(requirement)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuda", action="store_true", help="also fetch the full CUDA set (2.7 GB) for GPU machines")
    arguments = parser.parse_args()
    for name, (requirement, keep) in CPU.items():
        fetch(name, requirement, keep)
    for name, (requirement, keep) in CUDA.items() if arguments.cuda else ():
        fetch(name, requirement, keep)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Makes .deps/NAME-env, a virtual environment with the packages of setup/requirements-NAME.txt: `test` or a bench.

    python3 setup/python_env.py test
"""
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(name):
    env, requirements = ROOT / ".deps" / f"{name}-env", ROOT / "setup" / f"requirements-{name}.txt"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp = env / "stamp.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"set-up: making the Python environment {env.relative_to(ROOT)}", flush=True)
    shutil.rmtree(env, ignore_errors=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(env)], check=True)
        subprocess.run([str(env / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        "-r", str(requirements)], check=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"set-up: cannot make {env.name}: {error}; on Debian and Ubuntu python3-venv is needed")
    stamp.write_text(wanted)


if __name__ == "__main__":
    main(*sys.argv[1:2] or ["test"])

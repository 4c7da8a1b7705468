#!/usr/bin/env python3
"""Makes .deps/test-env, a virtual environment with the Python packages that tests read our files with."""
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENV = ROOT / ".deps" / "test-env"
REQUIREMENTS = ROOT / "setup" / "requirements-test.txt"


def main():
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    stamp = ENV / "stamp.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("set-up: making the Python environment of the tests", flush=True)
    shutil.rmtree(ENV, ignore_errors=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(ENV)], check=True)
        subprocess.run([str(ENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        "-r", str(REQUIREMENTS)], check=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"set-up: cannot make the test environment: {error}; on Debian and Ubuntu python3-venv is needed")
    stamp.write_text(wanted)


if __name__ == "__main__":
    main()

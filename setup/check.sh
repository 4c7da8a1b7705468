#!/usr/bin/env bash
# Says in one line which prerequisite is missing and how to get it.
set -u
missing() { echo "set-up: $1 is missing; $2" >&2; exit 1; }

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || missing "Linux on x86-64" "the native libraries are fetched for that only"
command -v cargo >/dev/null || missing "cargo (Rust >= 1.95)" "install it from https://rustup.rs"
have=$(cargo --version | awk '{print $2}')
printf '1.95.0\n%s\n' "${have%%-*}" | sort -V -C || missing "Rust >= 1.95 (found $have)" "run: rustup update stable"
command -v c++ >/dev/null || missing "a C++ compiler" "on Debian and Ubuntu run: sudo apt-get install g++"
python=${PYTHON:-python3}
command -v "$python" >/dev/null || missing "python3 (>= 3.9)" "on Debian and Ubuntu run: sudo apt-get install python3 python3-pip"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || missing "python3 >= 3.9 (found $("$python" -V))" "set PYTHON to a newer one"
"$python" -m pip --version >/dev/null 2>&1 || missing "pip for $python" "on Debian and Ubuntu run: sudo apt-get install python3-pip"

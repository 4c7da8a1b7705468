"""Runs a command and measures it from outside: wall time, processor time, memory of the whole process tree."""
import os
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.1
POLL_SHARE = 0.02  # of one core at most: reading the memory of a large tree costs tens of milliseconds


@dataclass
class Figures:
    wall: float  # s
    cpu: float  # s, user and system, children included
    memory: float  # MB, proportional set size of the tree, its peak
    sizes: list  # MB, the same, as it was polled
    stdout: str


def tree(root):
    """The processes below and with `root`."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [root]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def proportional_kib(pid):
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def run(command, cwd=None, env=None, allowed=(0,)):
    """One run; memory is polled, since a tree of processes has no peak of its own."""
    before = os.times()
    begun = time.monotonic()
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             cwd=cwd, env={**os.environ, **(env or {})})
    sizes, over = [0], threading.Event()

    def watch():
        pause = POLL_SECONDS
        while not over.wait(pause):
            asked = time.thread_time()
            sizes.append(sum(proportional_kib(pid) for pid in tree(child.pid)))
            pause = max(POLL_SECONDS, (time.thread_time() - asked) / POLL_SHARE)

    watcher = threading.Thread(target=watch)
    watcher.start()
    out, err = child.communicate()
    wall = time.monotonic() - begun
    over.set()
    watcher.join()
    after = os.times()
    if child.returncode not in allowed:
        raise SystemExit(f"{' '.join(map(str, command))}\nended with {child.returncode}:\n{err[-4000:]}")
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    sizes = [size / 1024 for size in sizes]
    return Figures(wall, cpu, max(sizes), sizes, out)


def alternate(sides, times, before=None, warm=True):
    """Runs every side `times` times in turn, and once more before where caches are to be warmed; `before(name)` clears its traces.
    Name to list of figures."""
    found = {name: [] for name in sides}
    for turn in range(0 if warm else 1, times + 1):
        for name, command in sides.items():
            if before:
                before(name)
            figures = run(command)
            if turn:  # the first turn only warms caches
                found[name].append(figures)
    return found


def median(figures, of):
    return statistics.median(getattr(figure, of) for figure in figures)

"""Control groups (cgroup v2): the kernel's own limit of what several processes use together.

What counts: memory of every kind, also files in memory, shared memory and what the kernel keeps for
the processes. A group can be made by root, and by a user to whom systemd has given a part of the
tree, as it does in `systemd-run --user --scope`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import subprocess
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
NEEDED = {"memory", "pids"}
PERIOD = 100_000  # microseconds; a group may compute as long in each, which is one processor
_count = itertools.count()


class Group:
    """A control group for one sandbox.

    Args:
        memory: bytes that its processes may use together.
        processes: and how many they may be, with their threads.

    Raises:
        OSError: none can be made here.
    """

    def __init__(self, memory: int, processes: int) -> None:
        self._folder = _home() / f"grading-{os.getpid()}-{next(_count)}"
        self._folder.mkdir(exist_ok=True)
        try:
            self._write("memory.max", str(memory))
            self._write("pids.max", str(processes))
            with contextlib.suppress(OSError):  # where processors can't be shared out
                self._write("cpu.max", f"{PERIOD} {PERIOD}")
            with contextlib.suppress(OSError):  # a kernel without swap has no such file
                self._write("memory.swap.max", "0")
            with contextlib.suppress(OSError):  # all of it ends, not the one that asked last
                self._write("memory.oom.group", "1")
        except OSError:
            self.end()
            raise

    def entering(self, command: list[str]) -> list[str]:
        """A command that runs another one inside the group from its first instruction on."""
        return ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', self._path("cgroup.procs"), *command]

    def out_of_memory(self) -> bool:
        """Whether the kernel has ended a process of it for want of memory."""
        try:
            events = Path(self._path("memory.events")).read_text(encoding="ascii").splitlines()
        except OSError:
            return False
        return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in events)

    def end(self) -> None:
        """End all its processes, and leave nothing of it."""
        with contextlib.suppress(OSError):  # before Linux 5.14 there is no such file
            self._write("cgroup.kill", "1")
        for _ in range(100):  # the kernel takes a moment to let go of processes that have ended
            with contextlib.suppress(OSError):
                self._folder.rmdir()
            if not self._folder.exists():
                return
            time.sleep(0.02)

    def _path(self, name: str) -> str:
        return str(self._folder / name)

    def _write(self, name: str, value: str) -> None:
        _write(self._folder / name, value)


@functools.cache
def possible() -> bool:
    """Whether groups can be made here, and entered."""
    try:
        group = Group(1 << 30, 64)
    except OSError:
        return False
    try:
        return not subprocess.run(group.entering(["true"]), capture_output=True).returncode
    finally:
        group.end()


def _home() -> Path:
    """The nearest group, from the grader's own upwards, that may have groups with limits in it.

    Raises:
        OSError: there is none.
    """
    lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    own = next((line[3:] for line in lines if line.startswith("0::")), "")
    if not own or not (ROOT / "cgroup.controllers").exists():
        raise OSError("no control groups of version 2")
    place = ROOT / own.lstrip("/")
    for folder in (place, *place.parents):
        if ROOT not in (folder, *folder.parents):
            break
        control = folder / "cgroup.subtree_control"
        with contextlib.suppress(OSError):  # not ours, or with processes of its own in it
            if not set(control.read_text(encoding="ascii").split()) >= NEEDED:
                _write(control, " ".join(f"+{name}" for name in sorted(NEEDED)))
            with contextlib.suppress(OSError):  # not everybody may share out processors
                _write(control, "+cpu")
            if os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK):
                return folder
    raise OSError("no group in which this user may make others")


def _write(path: Path, value: str) -> None:
    """Write to one of the kernel's files: it is there already, and some can't be read."""
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, value.encode("ascii"))
    finally:
        os.close(file)

"""The command that starts a worker cut off from the machine: unprivileged, without network.

It uses bubblewrap (https://github.com/containers/bubblewrap), which needs Linux. The process sees
Python, the installed libraries, `utils` and the data, read-only, and an empty folder in memory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from grading.limits import Limits

ROOT = Path(__file__).resolve().parents[1]
FIRST_UID = 61_000  # one of its own for each sandbox that runs at the time, if the grader is root


class Unavailable(Exception):
    """This machine can't make a sandbox; the message says what to do."""


def available() -> None:
    """Check that sandboxes can be made here.

    Raises:
        Unavailable: and why not.
    """
    if sys.platform != "linux":
        raise Unavailable(
            "Grading needs Linux, because student code runs in a sandbox made by bubblewrap. On "
            "macOS and Windows run it in a Linux container or virtual machine; teach.md says how."
        )
    for program, package in {"bwrap": "bubblewrap", "setpriv": "util-linux"}.items():
        if not shutil.which(program):
            raise Unavailable(f"{program} is missing: install it (apt-get install {package}).")
    test = subprocess.run(
        ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, text=True
    )
    if test.returncode:
        raise Unavailable(
            f"bubblewrap can't make a sandbox here: {test.stderr.strip()}. In a container it needs "
            "the right to make user namespaces (docker run --security-opt seccomp=unconfined)."
        )


def readable() -> list[Path]:
    """What a student's process may read, besides the system's libraries."""
    folders = [Path(sys.prefix), Path(sys.base_prefix)]
    ours = ["utils", "data", "chapters/claims.yml"]
    ours += ["grading/__init__.py", "grading/wire.py", "grading/worker.py"]
    return list(dict.fromkeys(path.resolve() for path in (*folders, *(ROOT / x for x in ours))))


def command(limits: Limits, slot: int) -> list[str]:
    """The command line that starts a worker in a sandbox."""
    line = ["bwrap", "--die-with-parent", "--new-session", "--unshare-ipc", "--unshare-pid"]
    line += ["--unshare-net", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "sandbox"]
    # sandboxes without a user namespace keep the folders' rights: parents must let others through
    for system in ("/usr", "/lib", "/lib64", "/bin", "/etc/fonts", "/etc/ld.so.cache"):
        line += ["--ro-bind-try", system, system]
    line += ["--proc", "/proc", "--dev", "/dev", "--size", str(limits.disk), "--perms", "1777"]
    line += ["--tmpfs", "/tmp", "--size", "65536", "--tmpfs", "/dev/shm"]
    for folder in sorted({parent for path in readable() for parent in path.parents}):
        line += ["--perms", "0755", "--dir", str(folder)]
    for path in readable():
        line += ["--ro-bind", str(path), str(path)]
    line += ["--chdir", "/tmp", "--clearenv"]
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "BOOK_PROGRESS": "0",
        "BOOK_DEVICE": "cpu",
    }
    for name, value in environment.items():
        line += ["--setenv", name, value]
    rights = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    if os.geteuid() == 0:
        # setpriv needs these two to become somebody else; they are gone when it has
        line += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        line += ["--cap-add", "CAP_SETPCAP"]
        uid = str(FIRST_UID + slot)
        rights += [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    else:
        line += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    caps = [f"--nproc={limits.processes}", f"--as={2 * limits.memory}", f"--fsize={limits.file}"]
    caps += ["--core=0", "--nofile=256", f"--cpu={int(limits.seconds) + 5}"]
    # python -s: the user's own packages stay out; -P: nor does the folder it starts in matter
    worker = [sys.executable, "-s", "-P", "-m", "grading.worker"]
    setpriv = ["setpriv", *rights] if os.geteuid() == 0 else []
    return [*line, "--", "prlimit", *caps, *setpriv, *worker]

"""The command that starts a worker cut off from the machine: unprivileged, without network.

It uses bubblewrap (https://github.com/containers/bubblewrap), which needs Linux. The process sees
Python, the installed libraries, `utils` and the data, read-only, and an empty folder in memory. All
else is read-only too, or isn't there; nothing of the grader's environment reaches it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from grading.limits import Limits

ROOT = Path(__file__).resolve().parents[1]
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/fonts", "/etc/ld.so.cache")


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
    needed = {"bwrap": "bubblewrap", "setpriv": "util-linux", "prlimit": "util-linux"}
    for name, package in needed.items():
        if not shutil.which(name):
            raise Unavailable(f"{name} is missing: install it (apt-get install {package}).")
    line = [program("bwrap"), "--unshare-all", "--ro-bind", "/", "/"]
    line += ["--perms", "1777", "--size", "65536", "--tmpfs", "/tmp", "--remount-ro", "/"]
    test = subprocess.run([*line, "true"], capture_output=True, text=True)
    if "nknown option" in test.stderr:
        raise Unavailable("bubblewrap is too old here: version 0.6 or newer is needed.")
    if test.returncode:
        raise Unavailable(
            f"bubblewrap can't make a sandbox here: {test.stderr.strip()}. In a container it needs "
            "the right to make user namespaces (docker run --security-opt seccomp=unconfined)."
        )


def ours() -> list[Path]:
    """What a student's process may read of this project."""
    paths = [ROOT / name for name in ("utils", "data", "chapters/claims.yml", "grading")]
    return [path.resolve() for path in paths if path.exists()]


def readable() -> list[Path]:
    """What a student's process may read, besides the system's libraries."""
    folders = [environment(), Path(sys.base_prefix), Path(sys.base_prefix).resolve()]
    return list(dict.fromkeys([*folders, *ours()]))


def environment() -> Path:
    """The folder of the environment that runs the grader, and students' code too."""
    return Path(sys.prefix).resolve()


def shown(path: Path) -> Path | None:
    """The folder in which a student's process could read what lies at a path; None if it can't."""
    real = path.resolve()
    folders = [Path(folder).resolve() for folder in SYSTEM] + readable()
    return next((folder for folder in folders if folder in (real, *real.parents)), None)


def unreadable(starts: list[Path]) -> list[Path]:
    """The first paths in some folders that a sandbox couldn't read.

    Root reads everything, but student code runs as another user then, with the rights of "others".
    """
    found: list[Path] = []
    for start in starts if os.geteuid() == 0 else []:
        for path in [start, *start.rglob("*")] if start.is_dir() else [start]:
            if path.is_symlink() or "__pycache__" in path.parts:
                continue
            wanted = 0o5 if path.is_dir() else 0o4
            if path.stat().st_mode & wanted != wanted:
                found.append(path)
                if len(found) == 3:
                    return found
    return found


def command(limits: Limits, user: int | None, filter_from: int | None) -> list[str]:
    """The command line that starts a worker in a sandbox.

    Args:
        limits: what it may use.
        user: whom it runs as, if the grader is root.
        filter_from: the file descriptor to read the filter of system calls from; None for none.
    """
    line = [program("bwrap"), "--die-with-parent", "--new-session", "--unshare-ipc"]
    line += ["--unshare-pid"]
    line += ["--unshare-net", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "sandbox"]
    # sandboxes without a user namespace keep the folders' rights: parents must let others through
    for system in SYSTEM:
        line += ["--ro-bind-try", system, system]
    line += ["--proc", "/proc", "--dev", "/dev", "--size", str(limits.disk), "--perms", "1777"]
    line += ["--tmpfs", "/tmp", "--size", str(limits.shared), "--perms", "1777"]
    line += ["--tmpfs", "/dev/shm"]
    for keys in ("/proc/keys", "/proc/key-users"):  # of the user who grades
        if os.path.exists(keys):
            line += ["--ro-bind", "/dev/null", keys]
    for folder in sorted({parent for path in readable() for parent in path.parents}):
        line += ["--perms", "0755", "--dir", str(folder)]
    for path in readable():
        line += ["--ro-bind", str(path), str(path)]
    line += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--clearenv"]
    if filter_from is not None:
        line += ["--seccomp", str(filter_from)]
    variables = {
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
    for name, value in variables.items():
        line += ["--setenv", name, value]
    rights = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    if user is not None:
        # setpriv needs these two to become somebody else; they are gone when it has
        line += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        line += ["--cap-add", "CAP_SETPCAP"]
        rights += [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    else:
        line += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    caps = [f"--nproc={limits.processes}", f"--as={2 * limits.memory}", f"--fsize={limits.file}"]
    # of computing, for a single process that nobody waits for any more; starting counts too
    caps += ["--core=0", "--nofile=256", f"--cpu={int(limits.seconds) + 60}"]
    # python -s: the user's own packages stay out; -P: nor does the folder it starts in matter
    python = environment() / "bin" / Path(sys.executable).name
    worker = [str(python), "-s", "-P", "-m", "grading.worker"]
    setpriv = ["setpriv", *rights] if user is not None else []
    return [*line, "--", "prlimit", *caps, *setpriv, *worker]


def program(name: str) -> str:
    """The path of a program, also for a process that has no PATH."""
    return shutil.which(name) or name

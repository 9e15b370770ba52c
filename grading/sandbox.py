"""A process for a student's code: unprivileged, without network, and limited in everything it uses.

It is made by bubblewrap (https://github.com/containers/bubblewrap), which needs Linux. The process
sees Python, the installed libraries, `utils` and the data, read-only, and an empty folder in
memory.
"""

from __future__ import annotations

import io
import os
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from grading import wire

ROOT = Path(__file__).resolve().parents[1]
FIRST_UID = 61_000  # one of its own for each sandbox that runs at the time, if the grader is root
LAST_WORDS = 4_000  # bytes of a process's output that are kept


class SandboxError(Exception):
    """The student's process broke a limit, or ended; the message says how."""


class Unavailable(Exception):
    """This machine can't make a sandbox; the message says what to do."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        seconds: from the first cell to the last answer.
        call_seconds: for one answer.
        memory: bytes of all its processes together.
        processes: processes and threads.
        disk: bytes of its folder, which lies in memory.
        file: bytes of a single file.
    """

    seconds: float = 300.0
    call_seconds: float = 120.0
    memory: int = 3 << 30
    processes: int = 64
    disk: int = 64 << 20
    file: int = 64 << 20


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


@dataclass
class Sandbox:
    """A student's process. Use it in a ``with`` statement: afterwards nothing of it is left.

    Args:
        limits: what it may use.
        slot: a number that no other sandbox has that runs at the same time.
    """

    limits: Limits = Limits()
    slot: int = 0
    broken: str = ""
    output: bytearray = field(default_factory=bytearray)

    def __enter__(self) -> Sandbox:
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()

        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [*command(self.limits, self.slot), str(to_read), str(from_write)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(to_read, from_write),
            start_new_session=True,
        )
        os.close(to_read)
        os.close(from_write)
        self._to, self._from = to_write, from_read
        os.set_blocking(self._from, False)
        os.set_blocking(self._to, False)
        threading.Thread(target=self._listen, daemon=True).start()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._kill("")
        self._process.wait()
        self._watcher.join()
        os.close(self._to)
        os.close(self._from)

    def ask(self, handle: Any, **request: Any) -> Any:
        """Have the worker do something.

        Args:
            handle: what to make of a handle's number and kind.
            request: what to do, and with what.

        Returns:
            The value that came back.

        Raises:
            SandboxError: the process has ended, or broke a limit, or sent nonsense.
            StudentError: the student's code raised an error.
        """
        end = min(self._started + self.limits.seconds, time.monotonic() + self.limits.call_seconds)
        # a stray answer, say of a process that the student's code has forked, has another id
        request["id"] = secrets.token_hex(8)
        try:
            self._write(*wire.pack(request), end)
            answer = wire.unpack(*self._read(end), handle)
        except wire.WireError as error:
            self._kill(f"its process sent something that is no answer ({error})")
            raise SandboxError(self.broken) from None
        except (OSError, EOFError):
            raise SandboxError(self._how_it_ended()) from None
        if not isinstance(answer, dict) or answer.get("id") != request["id"]:
            self._kill("its process sent something that is no answer")
            raise SandboxError(self.broken)
        if "value" not in answer:
            raise StudentError(str(answer.get("error"))[:500])
        return answer["value"]

    def _write(self, tree: Any, blobs: list[bytes], end: float) -> None:
        buffer = io.BytesIO()
        wire.send(buffer, tree, blobs)
        data = memoryview(buffer.getvalue())
        with selectors.DefaultSelector() as selector:
            selector.register(self._to, selectors.EVENT_WRITE)
            while data:
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise self._late()
                data = data[os.write(self._to, data) :]

    def _read(self, end: float) -> tuple[Any, bytes]:
        def exactly(count: int) -> bytes:
            parts = bytearray()
            while len(parts) < count:
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise self._late()
                part = os.read(self._from, min(count - len(parts), 1 << 20))
                if not part:
                    raise EOFError("the process has ended")
                parts += part
            return bytes(parts)

        with selectors.DefaultSelector() as selector:
            selector.register(self._from, selectors.EVENT_READ)
            head = exactly(wire.HEADER.size)
            text, raw = wire.HEADER.unpack(head)
            if text + raw > wire.LARGEST:
                raise wire.WireError("a message that is too large")
            return wire.receive(io.BytesIO(head + exactly(text + raw)))  # type: ignore[arg-type]

    def _late(self) -> SandboxError:
        spent = time.monotonic() - self._started
        if spent >= self.limits.seconds:
            self._kill(f"it took longer than the {self.limits.seconds:.0f} s allowed")
        else:
            self._kill(f"a single call took longer than {self.limits.call_seconds:.0f} s")
        return SandboxError(self.broken)

    def _how_it_ended(self) -> str:
        """The limit that it broke, or its last line and its exit status."""
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._kill("its process hung up")
        if self.broken:
            return self.broken
        words = self.output.decode(errors="replace").strip().splitlines() or ["no last words"]
        return f"its process ended with status {code}: {words[-1][:200]}"

    def _listen(self) -> None:
        """Drain the output, and keep the end of it."""
        assert self._process.stdout is not None
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            self.output += chunk
            del self.output[:-LAST_WORDS]

    def _watch(self) -> None:
        """Kill the process when all its processes together use too much memory."""
        while self._process.poll() is None:
            used, count = _usage(self._process.pid)
            if used > self.limits.memory:
                self._kill(f"it used more than the {self.limits.memory >> 20} MB of memory allowed")
            if count > 2 * self.limits.processes:
                self._kill(f"it started more than {self.limits.processes} processes")
            if time.monotonic() - self._started > self.limits.seconds + 5:
                self._kill(f"it took longer than the {self.limits.seconds:.0f} s allowed")
            time.sleep(0.1)

    def _kill(self, why: str) -> None:
        self.broken = self.broken or why
        # the sandbox has a process namespace of its own: with its first process all others end
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)


class StudentError(Exception):
    """The student's code raised an error; the message is its text."""


def _usage(pid: int) -> tuple[int, int]:
    """Bytes of memory of a process and all that descend from it, and how many they are.

    A page that several processes share counts once, in equal parts.
    """
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0, 0
    used = 0
    for process in family:
        try:
            used += process.memory_full_info().pss
        except psutil.Error:  # it has just ended
            continue
    return used, len(family)

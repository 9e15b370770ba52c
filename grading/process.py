"""A worker as a process of the system: started, watched, and ended with all that it has started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass

import psutil

from grading import cgroups, seccomp
from grading.bubblewrap import command
from grading.limits import Limits
from grading.pipes import Clock
from grading.users import User

LAST_WORDS = 4_000  # bytes of a process's output that are kept
LONGEST_LINE = 80  # characters of its last line that are shown
LOOK = 0.1  # seconds between two looks at what it uses
JOIN_SESSION_KEYRING = 1
NOISE = re.compile(r"Fontconfig (error|warning)")  # what libraries say of the sandbox


class Process:
    """A worker behind two pipes. It is killed when it breaks a limit of memory, number or time.

    Args:
        limits: what it may use.
        slot: of the sandboxes that run at the same time, which one it is.

    Attributes:
        to, source: the pipes to write to and to read from; neither blocks.
        broken: why it must not be used any more, in words; empty while it may be.

    Raises:
        OSError: it can't be started.
    """

    def __init__(self, limits: Limits, slot: int) -> None:
        self.limits, self.broken = limits, ""
        self._output = bytearray()
        self._before: float | None = None
        self._user = User(slot)
        self._group = _group(limits)
        to_read, self.to = os.pipe()
        self.source, from_write = os.pipe()
        theirs = [to_read, from_write]
        try:
            filter_from = _filter()
            theirs += [] if filter_from is None else [filter_from]
            line = [*command(limits, self._user.number, filter_from), str(to_read), str(from_write)]
            _leave_keyring()
            self._process = subprocess.Popen(
                self._group.entering(line) if self._group else line,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=theirs,
                start_new_session=True,
                cwd="/",
                env={},  # the sandbox's first process shows its environment to all in it
            )
        except BaseException:
            self._close()
            raise
        finally:
            for end in theirs:
                os.close(end)
        os.set_blocking(self.source, False)
        os.set_blocking(self.to, False)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def begin(self) -> None:
        """Note that it is ready: what it has computed so far, nobody has asked it to."""
        self._before = usage(self._process.pid).seconds

    def end(self) -> None:
        """Leave nothing of it."""
        self.kill("")
        self._process.wait()
        self._watcher.join()
        self._close()
        self._listener.join(timeout=5)

    def kill(self, why: str) -> None:
        """End it at once; the first reason that is given is kept."""
        self.broken = self.broken or why
        # the sandbox has a process namespace of its own: with its first process all others end
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def kill_late(self, total: Clock) -> None:
        """End it because an answer took too long."""
        if total.left <= 0:
            self.kill(f"it took longer than the {self.limits.seconds:.0f} s allowed")
        else:
            self.kill(f"a single call took longer than {self.limits.call_seconds:.0f} s")

    def how_it_ended(self) -> str:
        """The limit that it broke, or its last line and its exit status."""
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.kill("its process hung up")
        if self._group and self._group.out_of_memory():
            self.broken = self.broken or self._too_much()
        if self.broken:
            return self.broken
        self._listener.join(timeout=1)
        return f"its process ended with status {code}: {last_words(bytes(self._output))}"

    def _too_much(self) -> str:
        return f"it used more than the {self.limits.memory >> 20} MB of memory allowed"

    def _close(self) -> None:
        os.close(self.to)
        os.close(self.source)
        if self._group:
            self._group.end()
        self._user.give_back()

    def _listen(self) -> None:
        """Drain the output, and keep the end of it."""
        assert self._process.stdout is not None
        with self._process.stdout as output:
            while chunk := os.read(output.fileno(), 65536):
                self._output += chunk
                del self._output[:-LAST_WORDS]

    def _watch(self) -> None:
        """Kill the process when all its processes together use too much."""
        limits = self.limits
        while self._process.poll() is None:
            used = usage(self._process.pid)
            if used.memory > limits.memory or (self._group and self._group.out_of_memory()):
                self.kill(self._too_much())
            if used.processes > 2 * limits.processes:
                self.kill(f"it started more than {limits.processes} processes")
            if used.files > limits.files:
                self.kill(f"it made more than the {limits.files} files allowed")
            # who waits for it counts the time; this is for what goes on when nobody does
            if self._before is not None and used.seconds > self._before + 4 * limits.seconds:
                self.kill(f"it computed longer than the {limits.seconds:.0f} s allowed")
            time.sleep(LOOK)


def last_words(output: bytes) -> str:
    """The last line that a process of the student's has printed, and not too much of it."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines()]
    said = next((x for x in reversed(lines) if x and not NOISE.match(x)), "no last words")
    return said if len(said) <= LONGEST_LINE else f"{said[:LONGEST_LINE]}…"


@dataclass
class Usage:
    """What a process and all that descend from it use.

    Attributes:
        memory: bytes, with their files in memory; what several share counts once.
        processes: how many they are.
        files: in their folders in memory.
        seconds: of computing.
    """

    memory: int = 0
    processes: int = 0
    files: int = 0
    seconds: float = 0.0


def usage(pid: int) -> Usage:
    """What a process and all that descend from it use at this moment."""
    used, folders = Usage(), None
    try:
        first = psutil.Process(pid)
        family = [first, *first.children(recursive=True)]
    except psutil.Error:
        return used
    for process in family:
        with contextlib.suppress(psutil.Error):  # it has just ended
            used.processes += 1
            used.seconds += sum(process.cpu_times()[:4])
            try:
                used.memory += process.memory_full_info().pss
            except psutil.AccessDenied:
                used.memory += process.memory_info().rss
        if process is not first and folders is None:
            folders = _folders(process.pid)
    if folders:
        used.memory += folders[0]
        used.files += folders[1]
    return used


def _folders(pid: int) -> tuple[int, int] | None:
    """Bytes and files in the folders in memory that a process in a sandbox sees.

    None if they can't be seen, or aren't there yet.
    """
    root, size, files = f"/proc/{pid}/root", 0, 0
    try:
        if os.stat(f"{root}/").st_dev == os.stat("/").st_dev:
            return None
        for folder in ("tmp", "dev/shm"):
            found = os.statvfs(f"{root}/{folder}")
            size += (found.f_blocks - found.f_bfree) * found.f_frsize
            files += found.f_files - found.f_ffree
    except OSError:
        return None
    return size, files


def _group(limits: Limits) -> cgroups.Group | None:
    """A control group, where one can be made."""
    if not cgroups.possible():
        return None
    # bubblewrap's own processes are in it too
    return cgroups.Group(limits.memory, limits.processes + 8)


def _filter() -> int | None:
    """A file descriptor to read the filter of system calls from, where there can be one."""
    if not seccomp.supported():
        return None
    source, sink = os.pipe()
    with os.fdopen(sink, "wb") as file:
        file.write(seccomp.program())
    return source


def _leave_keyring() -> None:
    """Give this thread, and what it starts, a session keyring of its own."""
    if seccomp.supported():
        number = seccomp.number("keyctl")
        ctypes.CDLL(None).syscall(number, JOIN_SESSION_KEYRING, None)

"""A worker as a process of the system: started, watched, and ended with all that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time

import psutil

from grading.bubblewrap import command
from grading.limits import Limits

LAST_WORDS = 4_000  # bytes of a process's output that are kept


class Process:
    """A worker behind two pipes. It is killed when it breaks a limit of memory, number or time.

    Args:
        limits: what it may use.
        slot: a number that no other worker has that runs at the same time.

    Attributes:
        to, source: the pipes to write to and to read from; neither blocks.
        started: when, as `time.monotonic` counts.
        broken: why it must not be used any more, in words; empty while it may be.
    """

    def __init__(self, limits: Limits, slot: int) -> None:
        self.limits, self.broken = limits, ""
        self._output = bytearray()
        to_read, self.to = os.pipe()
        self.source, from_write = os.pipe()
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            [*command(limits, slot), str(to_read), str(from_write)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(to_read, from_write),
            start_new_session=True,
        )
        os.close(to_read)
        os.close(from_write)
        os.set_blocking(self.source, False)
        os.set_blocking(self.to, False)
        threading.Thread(target=self._listen, daemon=True).start()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def end(self) -> None:
        """Leave nothing of it."""
        self.kill("")
        self._process.wait()
        self._watcher.join()
        os.close(self.to)
        os.close(self.source)

    def kill(self, why: str) -> None:
        """End it at once; the first reason that is given is kept."""
        self.broken = self.broken or why
        # the sandbox has a process namespace of its own: with its first process all others end
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def kill_late(self) -> None:
        """End it because an answer took too long."""
        if time.monotonic() - self.started >= self.limits.seconds:
            self.kill(f"it took longer than the {self.limits.seconds:.0f} s allowed")
        else:
            self.kill(f"a single call took longer than {self.limits.call_seconds:.0f} s")

    def how_it_ended(self) -> str:
        """The limit that it broke, or its last line and its exit status."""
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.kill("its process hung up")
        if self.broken:
            return self.broken
        words = self._output.decode(errors="replace").strip().splitlines() or ["no last words"]
        return f"its process ended with status {code}: {words[-1][:200]}"

    def _listen(self) -> None:
        """Drain the output, and keep the end of it."""
        assert self._process.stdout is not None
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            self._output += chunk
            del self._output[:-LAST_WORDS]

    def _watch(self) -> None:
        """Kill the process when all its processes together use too much."""
        while self._process.poll() is None:
            used, count = usage(self._process.pid)
            if used > self.limits.memory:
                self.kill(f"it used more than the {self.limits.memory >> 20} MB of memory allowed")
            if count > 2 * self.limits.processes:
                self.kill(f"it started more than {self.limits.processes} processes")
            if time.monotonic() - self.started > self.limits.seconds + 5:
                self.kill(f"it took longer than the {self.limits.seconds:.0f} s allowed")
            time.sleep(0.1)


def usage(pid: int) -> tuple[int, int]:
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

"""Questions to a student's process, and its answers."""

from __future__ import annotations

import secrets
import shlex
from pathlib import Path
from typing import Any

import torch

from grading import bubblewrap, pipes, wire
from grading.limits import Limits
from grading.process import Process

START = 180.0  # seconds that a worker may need until it is ready; a cold disk is slow
EXERCISE = """
import multiprocessing, pathlib, tempfile, threading
import torch, utils
from utils import nn
with tempfile.TemporaryDirectory() as folder:
    pathlib.Path(folder, "x").write_text("x" * 100_000)
thread = threading.Thread(target=lambda: None)
thread.start()
thread.join()
multiprocessing.Lock()
def exercise(X):
    return 2 * X
"""


class SandboxError(Exception):
    """The student's process broke a limit, or ended; the message says how."""


class OutOfTime(SandboxError):
    """It took longer than it may: a neighbour on the machine may have had a part in that."""


class StudentError(Exception):
    """The student's code raised an error; the message is its text."""


class MachineError(Exception):
    """The machine that grades failed, before any student's code ran; the message says how.

    It says nothing about the student: no mark may come of it.
    """


class Sandbox:
    """A student's process. Use it in a ``with`` statement: afterwards nothing of it is left.

    Args:
        limits: what it may use.
        slot: of the sandboxes that run at the same time, which one it is.
    """

    def __init__(self, limits: Limits, slot: int = 0) -> None:
        self.limits, self._slot = limits, slot
        self._total = pipes.Clock(START)

    def __enter__(self) -> Sandbox:
        """Start it.

        Raises:
            MachineError: it can't be started.
        """
        try:
            self._process = Process(self.limits, self._slot)
        except OSError as error:
            raise MachineError(f"A sandbox can't be started: {error}.") from None
        try:
            # nothing of the student's has run yet: whatever goes wrong is the machine's fault
            self._ask(pipes.Clock(START), None, do="seed", number=0)
        except (SandboxError, StudentError) as error:
            self._process.end()
            raise MachineError(f"The sandbox didn't become ready: {error}.") from None
        except BaseException:
            self._process.end()
            raise
        self._total = pipes.Clock(self.limits.seconds)
        self._process.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.end()

    @property
    def broken(self) -> str:
        """Why it can't be asked any more, in words; empty while it can."""
        return self._process.broken

    def ask(self, handle: Any, **request: Any) -> Any:
        """Have the worker do something.

        Args:
            handle: what to make of a handle's number and kind.
            request: what to do, and with what.

        Returns:
            The value that came back.

        Raises:
            SandboxError: the process has ended, or broke a limit, or sent nonsense; the sandbox is
                broken from then on.
            StudentError: the student's code raised an error.
            WireError: the request itself is no data.
        """
        return self._ask(pipes.Clock(self.limits.call_seconds), handle, **request)

    def _ask(self, call: pipes.Clock, handle: Any, **request: Any) -> Any:
        process = self._process
        # a stray answer, say of a process that the student's code has forked, has another id
        request["id"] = secrets.token_hex(8)
        message = wire.pack(request)
        try:
            pipes.write(process.to, *message, call, self._total)
            answer = wire.unpack(*pipes.read(process.source, call, self._total), handle)
        except pipes.Late:
            process.kill_late(self._total)
            raise OutOfTime(self.broken) from None
        except wire.WireError as error:
            process.kill(f"its process sent something that is no answer ({error})")
            raise SandboxError(self.broken) from None
        except (OSError, EOFError):
            process.kill(process.how_it_ended())
            raise SandboxError(self.broken) from None
        if not isinstance(answer, dict) or answer.get("id") != request["id"]:
            process.kill("its process sent something that is no answer")
            raise SandboxError(self.broken)
        if "value" not in answer:
            raise StudentError(str(answer.get("error"))[:500])
        return answer["value"]


def self_test(limits: Limits, slot: int = 0) -> None:
    """Run a small exercise in a real sandbox, as the user and with the limits of the students'.

    Raises:
        MachineError: this machine can't grade as it is; the message says what to do.
    """
    if hidden := bubblewrap.unreadable(bubblewrap.ours()):
        raise MachineError(_closed(hidden))
    try:
        with Sandbox(limits, slot) as sandbox:
            sandbox.ask(None, do="run", number=1, source=EXERCISE)
            target = sandbox.ask(wire.Handle, do="get", name="exercise")
            X = torch.arange(3.0)
            back = sandbox.ask(None, do="call", target=target, args=[X], kwargs={})
            if not torch.equal(back, 2 * X):
                raise MachineError(f"The sandbox computes 2 * {X.tolist()} = {back}.")
    except (MachineError, SandboxError, StudentError) as error:
        installed = [path for path in bubblewrap.readable() if path != Path("/usr")]
        hidden = bubblewrap.unreadable(installed)
        advice = (
            _closed(hidden) if hidden else "Nothing was graded: mend the machine, or try again."
        )
        raise MachineError(f"The test of the sandbox failed: {error}. {advice}") from None


def _closed(paths: list[Path]) -> str:
    """What to do about paths that students' processes can't read."""
    folders = " ".join(shlex.quote(str(path)) for path in bubblewrap.readable())
    return (
        f"{', '.join(map(str, paths))} can be read by its owner only, but as root the grader runs "
        "students' code as another user. Grade as a user who isn't root, or open the files to be "
        f"read: chmod -R go+rX {folders}"
    )

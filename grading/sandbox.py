"""Questions to a student's process, and its answers."""

from __future__ import annotations

import secrets
import time
from typing import Any

from grading import pipes, wire
from grading.limits import Limits
from grading.process import Process


class SandboxError(Exception):
    """The student's process broke a limit, or ended; the message says how."""


class StudentError(Exception):
    """The student's code raised an error; the message is its text."""


class Sandbox:
    """A student's process. Use it in a ``with`` statement: afterwards nothing of it is left.

    Args:
        limits: what it may use.
        slot: a number that no other sandbox has that runs at the same time.
    """

    def __init__(self, limits: Limits, slot: int = 0) -> None:
        self.limits, self._slot = limits, slot

    def __enter__(self) -> Sandbox:
        self._process = Process(self.limits, self._slot)
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
        """
        process, now = self._process, time.monotonic()
        deadline = min(process.started + self.limits.seconds, now + self.limits.call_seconds)
        # a stray answer, say of a process that the student's code has forked, has another id
        request["id"] = secrets.token_hex(8)
        try:
            pipes.write(process.to, *wire.pack(request), deadline)
            answer = wire.unpack(*pipes.read(process.source, deadline), handle)
        except pipes.Late:
            process.kill_late()
            raise SandboxError(self.broken) from None
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

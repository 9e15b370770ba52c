"""What one submission may use, and how well this machine can hold it to that."""

from __future__ import annotations

import os
from dataclasses import dataclass

from grading import cgroups, seccomp


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        seconds: that its answers may take together.
        call_seconds: for one answer.
        memory: bytes of all its processes together, with its folder and its shared memory.
        processes: processes and threads.
        disk: bytes of its folder, which lies in memory.
        shared: bytes of memory that its processes may share by name.
        file: bytes of a single file.
        files: how many there may be.
    """

    seconds: float = 300.0
    call_seconds: float = 120.0
    memory: int = 3 << 30
    processes: int = 64
    disk: int = 64 << 20
    shared: int = 64 << 20
    file: int = 64 << 20
    files: int = 20_000


def enforced() -> list[str]:
    """What this machine can't enforce, in sentences; empty if it enforces everything."""
    missing = []
    if not cgroups.possible():
        advice = (
            ""
            if os.geteuid() == 0
            else (" Run it as root, or by `systemd-run --user --scope make grade ...`.")
        )
        missing.append(
            "The kernel can't limit a submission's memory as a whole here (that needs control "
            "groups, version 2): its processes are measured ten times a second and ended when they "
            "use too much, so that one may use more for a moment, and what the kernel keeps for "
            f"them isn't counted.{advice}"
        )
    if not seccomp.supported():
        missing.append(
            "System calls can't be filtered on this machine (that needs seccomp, on x86_64 or "
            "aarch64): a submission may make namespaces of its own, and with them files in memory "
            "that no limit counts. Use another machine for submissions that you don't trust."
        )
    return missing

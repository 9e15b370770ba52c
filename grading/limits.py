"""What one submission may use."""

from dataclasses import dataclass


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

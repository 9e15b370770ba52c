"""A filter of system calls: what a student's process must not even ask the kernel for.

bubblewrap hands it to the kernel (`--seccomp`). It is a program of the kernel's classic packet
filter, eight bytes an instruction, that looks at the call's number and its first argument; see
seccomp(2) and linux/filter.h. Ordinary Python, PyTorch's workers included, needs none of what it
refuses.
"""

from __future__ import annotations

import errno
import platform
import struct
from pathlib import Path

# name → its numbers on x86_64 and on aarch64
CALLS: dict[str, tuple[int, int]] = {
    # other namespaces and mounts: a new user namespace would have new file systems in memory
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # keys of the user who grades
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438),
    # memory that belongs to no process and to no folder, so that no limit would count it
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "shmdt": (67, 197),
    "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    # large and seldom used parts of the kernel
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "fanotify_init": (300, 262),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "swapon": (167, 224),
    "swapoff": (168, 225), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106),
}  # fmt: skip
CLONE, CLONE3, SOCKET = (56, 220), (435, 435), (41, 198)
NAMESPACES = 0x7E02_0000  # the flags CLONE_NEW…
FAMILIES = (1, 2, 10, 16)  # sockets: Unix, IPv4, IPv6, netlink
# machine → its column above, and how the kernel calls it (AUDIT_ARCH_…)
MACHINES = {"x86_64": (0, 0xC000_003E), "aarch64": (1, 0xC000_00B7)}
X32 = 0x4000_0000  # x86_64 has all calls once more, from this number on

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, MACHINE, ARGUMENT = 0, 4, 16  # where the kernel puts them
ALLOW, REFUSE, KILL = 0x7FFF_0000, 0x0005_0000, 0x8000_0000


def supported() -> bool:
    """Whether this machine has filters, and is of a kind whose numbers are known here."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return platform.machine() in MACHINES and "Seccomp:" in status


def number(call: str) -> int:
    """The number of a system call on this machine.

    Raises:
        KeyError: it is not in the list above, or the machine is of another kind.
    """
    return CALLS[call][MACHINES[platform.machine()][0]]


def program() -> bytes:
    """The filter for this machine.

    Raises:
        KeyError: it's of a kind whose numbers are not known here.
    """
    column, machine = MACHINES[platform.machine()]
    lines = [
        *(_line(LOAD, MACHINE), _line(EQUAL, machine, yes=1), _line(RETURN, KILL)),
        *(_line(LOAD, NUMBER), _line(AT_LEAST, X32, no=1), _refuse(errno.ENOSYS)),
    ]
    for numbers in CALLS.values():
        lines += [_line(EQUAL, numbers[column], no=1), _refuse(errno.EPERM)]
    # clone3 keeps its flags where a filter can't look; without it, programs use clone
    lines += [_line(EQUAL, CLONE3[column], no=1), _refuse(errno.ENOSYS)]
    lines += [_line(EQUAL, CLONE[column], no=4), _line(LOAD, ARGUMENT)]
    lines += [_line(ANY_BIT, NAMESPACES, no=1), _refuse(errno.EPERM), _line(RETURN, ALLOW)]
    lines += [_line(EQUAL, SOCKET[column], no=2 + len(FAMILIES)), _line(LOAD, ARGUMENT)]
    for place, family in enumerate(FAMILIES):
        lines.append(_line(EQUAL, family, yes=len(FAMILIES) - place))
    lines += [_refuse(errno.EAFNOSUPPORT), _line(RETURN, ALLOW)]
    return b"".join(lines)


def _line(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """An instruction; after a comparison, so many of the next ones are skipped."""
    return struct.pack("=HBBI", code, yes, no, value)


def _refuse(error: int) -> bytes:
    """Let the call fail with this error."""
    return _line(RETURN, REFUSE | error)

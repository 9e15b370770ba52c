"""What a student's process can't do, tried from inside: as root, and as a user who isn't."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from grading import bubblewrap, cgroups, limits, pipes, seccomp, wire
from grading.limits import Limits
from grading.process import last_words
from grading.sandbox import MachineError, Sandbox, SandboxError, self_test
from tests.assignments.attacks import SEND
from tools import book

# runs cells in sandboxes, a case in each, and prints what came of them
RUN = r"""
import json, re, sys, time
from grading import wire
from grading.limits import Limits
from grading.sandbox import Sandbox
results = {}
for name, (cells, limits) in json.load(sys.stdin).items():
    said, value = [], None
    with Sandbox(Limits(**limits)) as sandbox:
        started = time.monotonic()
        for place, source in enumerate(cells):
            try:
                sandbox.ask(wire.Handle, do="run", number=place + 1, source=source)
            except Exception as error:
                said.append(f"{type(error).__name__}: {error}")
        seconds = time.monotonic() - started
        try:
            value = sandbox.ask(wire.Handle, do="get", name="found")
        except Exception as error:
            said.append(f"{type(error).__name__}: {error}")
    results[name] = dict(said=said, found=value, seconds=seconds)
# ru_maxrss would also count the process that started this one
results["peak"] = int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) >> 10
print(json.dumps(results))
"""
SMALL = {"memory": 700 << 20, "seconds": 15.0, "call_seconds": 6.0}

PROBE = r"""
import ctypes, errno, glob, os, platform, socket, subprocess
found = {"calls": {}, "writable": [], "sockets": {}, "environments": ""}
libc = ctypes.CDLL(None, use_errno=True)

def call(*numbers):
    ctypes.set_errno(0)
    return errno.errorcode.get(ctypes.get_errno()) if libc.syscall(*numbers) < 0 else "done"

intel = platform.machine() == "x86_64"
NEW_USER, KEY, JOIN = 0x1000_0000, 0, -3
found["calls"] = {
    "unshare": call(272 if intel else 97, NEW_USER),
    "clone": call(56 if intel else 220, NEW_USER | 17, 0, 0, 0, 0),
    "clone3": call(435, 0, 0),
    "keyctl": call(250 if intel else 219, KEY, JOIN, 0),
    "add_key": call(248 if intel else 217, b"user", b"x", b"y", 1, JOIN),
    "shmget": call(29 if intel else 194, 0, 1 << 20, 0o600),
    "memfd_create": call(319 if intel else 279, b"x", 0),
    "ptrace": call(101 if intel else 117, 16, 1, 0, 0),
    "mount": call(165 if intel else 40, b"none", b"/tmp", b"tmpfs", 0, 0),
    "bpf": call(321 if intel else 280, 0, 0, 0),
}
if intel:  # the same calls under other numbers
    found["calls"]["x32"] = call(0x4000_0000 + 272, NEW_USER)
found["unshare"] = subprocess.run(["unshare", "-U", "true"], capture_output=True).returncode
memory = os.stat("/tmp").st_dev  # a clone below /tmp has its parents there, in the same memory
for folder in sorted({*glob.glob("/*"), *glob.glob("/*/*"), "/", "/dev/shm", "/proc/sys/kernel"}):
    if os.path.isdir(folder) and (folder == "/tmp" or os.stat(folder).st_dev != memory):
        try:
            open(os.path.join(folder, "x"), "w").close()
            found["writable"].append(folder)
        except OSError:
            continue
for family in (socket.AF_UNIX, socket.AF_INET, 17, 38, 40):
    try:
        socket.socket(family, socket.SOCK_DGRAM).close()
        found["sockets"][str(int(family))] = "made"
    except OSError as error:
        found["sockets"][str(int(family))] = errno.errorcode[error.errno]
for path in glob.glob("/proc/[0-9]*/environ") + ["/proc/keys", "/proc/key-users"]:
    try:
        found["environments"] += open(path).read()
    except OSError:
        continue
found["user"] = os.getuid()
"""
WORK = """
import multiprocessing, tempfile, torch
from torch.utils.data import DataLoader, TensorDataset
data = TensorDataset(torch.arange(400_000).reshape(1000, 400))
found = sum(batch.sum().item() for (batch,) in DataLoader(data, batch_size=50, num_workers=4))
with multiprocessing.Pool(2) as pool:
    assert pool.map(abs, [-1, 2]) == [1, 2]
with tempfile.TemporaryFile() as file:
    torch.save(torch.nn.Linear(3, 3), file)
assert found == sum(range(400_000))
found = "works"
"""
# name → (cells, words of which one must be in what is said)
HARM: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "shared memory": (
        [
            "import mmap\nkept = []\nwhile True:\n    kept.append(mmap.mmap(-1, 10**7))"
            "\n    kept[-1].write(bytes(10**7))"
        ],
        ("memory", "MemoryError"),
    ),
    "memory of children": (
        [
            "import os, time\nfor _ in range(10):\n    if not os.fork():\n"
            "        x = bytearray(b'x' * 150_000_000); time.sleep(60)\n"
            "time.sleep(60)"
        ],
        ("memory",),
    ),
    "files in memory": (
        [
            "import os\nfor folder in ('/tmp', '/dev/shm'):\n    try:\n"
            "        for i in range(1000):\n"
            "            open(f'{folder}/{i}', 'wb').write(bytes(10**7))\n"
            "    except OSError: pass\n"
            "found = sum(os.statvfs(f).f_blocks * os.statvfs(f).f_bsize"
            " for f in ('/tmp', '/dev/shm'))"
        ],
        ("",),
    ),
    "empty files": (
        ["for i in range(400_000):\n    open(f'/dev/shm/{i}', 'w').close()"],
        ("files allowed",),
    ),
    "fork bomb": (
        ["import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"],
        ("processes", "longer", "computed"),
    ),
    "waits": (["import time\ntime.sleep(1000)"], ("longer",)),
}
# the same, whoever grades
MESSAGES: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "lists on the pipe": ([SEND, "send(b'[' + b'[],' * 20_000_000 + b'[]]')"], ("no answer",)),
    "few bytes, many lists": ([SEND, "send(b'[' + b'[],' * 2_000_000 + b'[]]')"], ("no answer",)),
    "deep": ([SEND, "send(b'[' * 5_000_000)"], ("no answer",)),
    "promises much": ([SEND, "send(sizes=(2**32 - 1, 2**32 - 1))"], ("no answer",)),
    "raw bytes": ([SEND, "send(b'null', bytes(60_000_000))"], ("no answer",)),
    "large result": (["import torch\nfound = torch.zeros(50_000_000, dtype=torch.uint8)"],
                     ("too large",)),
    "empty rows": (["import torch\nfound = torch.empty(40_000_000, 0)"], ("too large",)),
    "many values": (["found = [[] for _ in range(300_000)]"], ("more than",)),
    "half a character": (["found = ['\\ud83d']", "raise ValueError('\\ud83d')"], ("ValueError",)),
}  # fmt: skip


def as_nobody() -> list[str]:
    """The command that runs another one as a user who isn't root, with what the tests need.

    What lies in folders that only root may enter, as Python may, is shown at its place.
    """
    line = ["bwrap", "--dev-bind", "/", "/", "--cap-add", "ALL"]
    paths = [Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), book.ROOT]
    for parent in {p for path in paths for p in path.parents if not p.stat().st_mode & 1}:
        line += ["--perms", "0755", "--tmpfs", str(parent)]
    for path in paths:
        for parent in reversed(path.parents):
            line += ["--perms", "0755", "--dir", str(parent)]
        line += ["--ro-bind", str(path), str(path)]
    user = ["--reuid=12345", "--regid=12345", "--clear-groups", "--inh-caps=-all"]
    return [*line, "--", "setpriv", *user, "--bounding-set=-all"]


USERS: dict[str, list[str]] = {"this user": []}
if os.geteuid() == 0:
    USERS["not root"] = as_nobody()


def run(before: list[str], cases: dict[str, Any]) -> dict[str, Any]:
    """What comes of cells in sandboxes that this user, or another one, has made."""
    # a session keyring with a secret in it, as a teacher's may be
    done = subprocess.run(
        [*before, sys.executable, "-c", RUN],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        cwd=book.ROOT,
        env={**os.environ, "TOKEN": "TEACHERS-SECRET", "HOME": "/tmp"},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module", params=list(USERS))
def inside(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What came of all cases, by name."""
    cases = {"probe": ([PROBE], {}), "work": ([WORK], {})}
    cases |= {name: (cells, SMALL) for name, (cells, _) in HARM.items()}
    return run(USERS[request.param], cases)


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """What came of the messages, by name."""
    return run([], {name: (cells, SMALL) for name, (cells, _) in MESSAGES.items()})


def test_the_kernel_refuses_what_is_not_needed(inside: dict) -> None:
    found = inside["probe"]["found"]
    if not seccomp.supported():
        pytest.skip("no filters here")
    calls = dict(found["calls"])
    assert calls.pop("clone3") == "ENOSYS"
    assert calls.pop("x32", "ENOSYS") == "ENOSYS"
    assert set(calls.values()) == {"EPERM"}, calls
    assert found["unshare"] != 0
    assert found["sockets"]["1"] == found["sockets"]["2"] == "made"
    assert {found["sockets"][family] for family in ("17", "38", "40")} == {"EAFNOSUPPORT"}


def test_only_two_folders_are_writable(inside: dict) -> None:
    assert inside["probe"]["found"]["writable"] == ["/dev/shm", "/tmp"]
    assert inside["files in memory"]["found"] <= Limits.disk + Limits.shared


def test_nothing_of_the_graders_environment_is_inside(inside: dict) -> None:
    seen = inside["probe"]["found"]["environments"]
    assert "MPLBACKEND" in seen  # the worker's own
    assert "SECRET" not in seen and "keyring" not in seen
    assert inside["probe"]["found"]["user"] not in (0, os.geteuid())


def test_ordinary_python_works(inside: dict) -> None:
    assert inside["work"]["found"] == "works" and not inside["work"]["said"], inside["work"]


@pytest.mark.parametrize("name", HARM)
def test_harm_ends(inside: dict, name: str) -> None:
    said = " ".join(inside[name]["said"])
    assert any(word in said for word in HARM[name][1]), said
    assert inside[name]["seconds"] < 30


def test_the_grader_stays_small(inside: dict, answers: dict) -> None:
    assert inside["peak"] < 1024 and answers["peak"] < 1024


@pytest.mark.parametrize("name", MESSAGES)
def test_costly_answers_are_refused(answers: dict, name: str) -> None:
    said = " ".join(answers[name]["said"])
    assert any(word in said for word in MESSAGES[name][1]), said
    assert answers[name]["seconds"] < 20


def test_half_a_character_does_not_stop_the_grader(answers: dict) -> None:
    assert answers["half a character"]["found"] == ["?"]


# ------------------------------------------------------------------------------ whose time it is
def stall(seconds: float) -> threading.Thread:
    """Keep the interpreter from all other threads, as a slow piece of C may."""
    keep = threading.Thread(target=ctypes.PyDLL(None).usleep, args=(int(1e6 * seconds),))
    threading.Timer(0.2, keep.start).start()
    return keep


def test_a_stall_of_the_grader_costs_no_cell() -> None:
    with Sandbox(Limits(seconds=3, call_seconds=2)) as sandbox:
        stall(4)
        sandbox.ask(None, do="run", number=1, source="import time\ntime.sleep(1)")
        time.sleep(3)  # a slow disk, say
        sandbox.ask(None, do="run", number=2, source="x = 1")
        with pytest.raises(SandboxError, match="longer than"):
            sandbox.ask(None, do="run", number=3, source="time.sleep(60)")


def test_time_in_total_is_counted_over_all_answers() -> None:
    with Sandbox(Limits(seconds=2, call_seconds=60)) as sandbox:
        sandbox.ask(None, do="run", number=1, source="import time\ntime.sleep(1.2)")
        with pytest.raises(SandboxError, match="longer than the 2 s"):
            sandbox.ask(None, do="run", number=2, source="time.sleep(1.2)")


def test_computing_while_nobody_waits_ends_too() -> None:
    source = """
import os
for _ in range(3):
    if os.fork() == 0:
        while True:
            pass
"""
    with Sandbox(Limits(seconds=1)) as sandbox:
        sandbox.ask(None, do="run", number=1, source=source)
        deadline = time.monotonic() + 60
        while not sandbox.broken and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "computed" in sandbox.broken


def test_bytes_that_trickle_are_late_too() -> None:
    source, sink = os.pipe()
    os.set_blocking(source, False)

    def trickle() -> None:
        os.write(sink, wire.HEADER.pack(1000, 0))
        for _ in range(60):
            os.write(sink, b" ")
            time.sleep(0.02)

    writer = threading.Thread(target=trickle)
    writer.start()
    with pytest.raises(pipes.Late):
        pipes.read(source, pipes.Clock(0.5), pipes.Clock(60))
    writer.join()
    os.close(source)
    os.close(sink)


# ------------------------------------------------------------------------------- whose fault it is
def test_a_worker_that_never_became_ready_is_the_machines_fault() -> None:
    with pytest.raises(MachineError, match="didn't become ready"), Sandbox(Limits(memory=1 << 20)):
        pass


def test_a_missing_program_is_the_machines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "program", lambda name: "/nowhere/bwrap")
    with pytest.raises(MachineError):
        self_test(Limits())


def test_the_self_test_passes_here() -> None:
    self_test(Limits(), slot=3)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's sandboxes have another user")
def test_files_that_only_root_can_read_stop_the_grader(tmp_path: Path) -> None:
    for name in ("grading", "utils"):
        shutil.copytree(book.ROOT / name, tmp_path / name)
    (tmp_path / "chapters").mkdir()
    shutil.copy(book.ROOT / "chapters" / "claims.yml", tmp_path / "chapters")
    for path in [*tmp_path.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    code = "from grading.sandbox import *; self_test(Limits())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=200
    )
    assert "MachineError" in done.stderr and "chmod -R go+rX" in done.stderr


def test_an_environment_behind_a_link_works(tmp_path: Path) -> None:
    (tmp_path / "venv").symlink_to(sys.prefix)
    code = "from grading.sandbox import *; self_test(Limits())"
    done = subprocess.run(
        [tmp_path / "venv" / "bin" / "python", "-c", code],
        cwd=book.ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-1000:]


def test_last_words_are_the_students_and_few() -> None:
    said = b"hello\nFontconfig error: No writable cache directories\n\n"
    assert last_words(said) == "hello"
    assert last_words(said[6:]) == last_words(b"") == "no last words"
    assert last_words(b"x" * 4000) == "x" * 80 + "…"


def test_nothing_is_left_running() -> None:
    source = """
import os, subprocess, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "98765"])
        os._exit(0)
time.sleep(0.5)
"""
    with Sandbox(Limits()) as sandbox:
        sandbox.ask(None, do="run", number=1, source=source)
        assert daemons()
    deadline = time.monotonic() + 5
    while daemons() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not daemons()


def daemons() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cmdline() == ["sleep", "98765"]:
                found.append(process)
        except psutil.Error:
            continue
    return found


# --------------------------------------------------------------------------- what a machine lacks
def tree(folder: Path, controllers: str) -> None:
    """A folder that looks like a control group."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("cgroup.controllers", "cgroup.procs", "cgroup.subtree_control"):
        (folder / name).write_text(controllers if "subtree" in name else "")


def test_a_group_is_made_in_the_nearest_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path("/proc/self/cgroup").read_text().splitlines()
    place = next((line[3:] for line in own if line.startswith("0::")), None)
    if place is None:
        pytest.skip("no control groups of version 2")
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "possible", cgroups.possible.__wrapped__)
    assert not cgroups.possible()
    assert "control groups" in " ".join(limits.enforced())
    nearest = tmp_path / place.lstrip("/")
    for folder in (nearest, *nearest.parents):
        if tmp_path in (folder, *folder.parents):
            tree(folder, "cpu memory pids")
    made = cgroups._home()
    assert made == nearest


def test_a_group_has_one_processor_if_they_can_be_shared_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: dict[str, str] = {}
    monkeypatch.setattr(cgroups, "_home", lambda: tmp_path)
    monkeypatch.setattr(cgroups, "_write", lambda path, value: written.update({path.name: value}))
    cgroups.Group(1 << 30, 64).end()
    assert written["cpu.max"] == "100000 100000" and written["pids.max"] == "64"

    def refuse(path: Path, value: str) -> None:
        if path.name == "cpu.max":
            raise PermissionError(path)

    monkeypatch.setattr(cgroups, "_write", refuse)
    cgroups.Group(1 << 30, 64).end()


@pytest.mark.skipif(not cgroups.possible(), reason="no control groups here")
def test_a_group_limits_and_leaves_nothing() -> None:
    group = cgroups.Group(100 << 20, 20)
    hog = [sys.executable, "-c", "x = bytearray(b'x' * (300 << 20))"]
    assert subprocess.run(group.entering(hog)).returncode != 0
    assert group.out_of_memory()
    folder = group._folder
    group.end()
    assert not folder.exists()


def test_a_machine_without_filters_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp.platform, "machine", lambda: "riscv64")
    assert "seccomp" in " ".join(limits.enforced())
    with Sandbox(Limits()) as sandbox:  # and grades all the same
        sandbox.ask(None, do="run", number=1, source="x = 1")


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_a_filter_ends_in_a_decision(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp.platform, "machine", lambda: machine)
    program = seccomp.program()
    lines = [program[i : i + 8] for i in range(0, len(program), 8)]
    assert len(lines) < 4096
    for place, line in enumerate(lines):
        code, yes, no = int.from_bytes(line[:2], sys.byteorder), line[2], line[3]
        if code != seccomp.RETURN:
            assert place + 1 + max(yes, no) < len(lines)

"""What a computation costs: seconds, bytes at its peak, bytes kept for the backward pass.

On a CPU, time is the processor time of one thread: other programs that share the machine, and how
it spreads work over its cores, do not count. With a GPU it is the time on the wall, the GPU's work
included.
"""

import contextlib
import ctypes
import gc
import math
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

BLOCKS = 6


def _fastest(functions: list[Callable[[], object]], blocks: int, block_time: float) -> list[float]:
    """Seconds a call of each function: in turn, block after block, the fastest block of each."""
    from torch.utils.benchmark import Timer
    from torch.utils.benchmark.utils.timer import timer as wall

    clock = wall if torch.cuda.is_available() else time.thread_time
    timers = [Timer("f()", globals={"f": f}, num_threads=1, timer=clock) for f in functions]
    calls = []
    for timer in timers:
        started = time.perf_counter()
        timer.timeit(1)  # also warms up
        calls.append(max(1, round(block_time / (time.perf_counter() - started))))
    fastest = [float("inf")] * len(timers)
    for _ in range(blocks):
        for i, timer in enumerate(timers):
            fastest[i] = min(fastest[i], timer.timeit(calls[i]).median)
    return fastest


def seconds(f: Callable[[], object], min_run_time: float = 0.1) -> float:
    """The time of one call, as the fastest of several blocks of calls.

    Other programs can only make a call slower, so the fastest block says most about the call. Waits
    for the GPU, where there is one, are taken care of. Measuring takes about ``min_run_time``.

    >>> X = torch.randn(100, 100)
    >>> 1e-6 < seconds(lambda: X @ X) < 1
    True
    """
    return _fastest([f], BLOCKS, min_run_time / BLOCKS)[0]


def time_ratio(
    f: Callable[[], object], g: Callable[[], object], min_run_time: float = 0.4
) -> float:
    """How many times as long ``f`` takes as ``g``.

    The two take turns, so that a machine that is busy for a while slows both; the fastest block of
    each is compared. Measuring takes about ``min_run_time`` seconds.

    >>> few, many = torch.randn(10, 100), torch.randn(10_000, 100)
    >>> time_ratio(lambda: many @ many.T[:, :100], lambda: few @ few.T) > 2
    True
    """
    blocks = 3 * BLOCKS
    first, second = _fastest([f, g], blocks, min_run_time / blocks / 2)
    return first / second


class _Meter(TorchDispatchMode):
    """Follows every tensor that PyTorch makes, from its birth to its release."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.peak = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def _release(self, size: int) -> None:
        self.alive -= size

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        old = {t.untyped_storage()._cdata for t in tree_leaves(args) if isinstance(t, Tensor)}
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if not isinstance(tensor, Tensor) or tensor._is_zerotensor():
                continue  # a zero tensor is a promise of zeros, without memory
            storage = tensor.untyped_storage()
            if storage in self._known or storage._cdata in old:
                continue  # a view, or a result written in place
            self._known.add(storage)
            weakref.finalize(storage, self._release, storage.nbytes())
            self.alive += storage.nbytes()
            self.peak = max(self.peak, self.alive)
        return out


def peak_bytes(f: Callable[[], object]) -> int:
    """The most memory that tensors made by a call hold at one time, on any device.

    Counts the tensors that operators return while ``f`` runs; not what was there before. It cannot
    see a workspace: memory that an operator takes and gives back inside itself, as a convolution or
    an attention kernel may. An operator that needs one costs more than this says.

    >>> X = torch.ones(1_000_000)  # of 4 bytes each
    >>> peak_bytes(lambda: X + 1), peak_bytes(lambda: (X + 1) * 2), peak_bytes(lambda: X.add_(1))
    (4000000, 8000000, 0)
    """
    with _Meter() as meter:
        f()
    return meter.peak


def resident_bytes(f: Callable[[], object]) -> float:
    """How much the memory of this process grew at most during a call, workspaces included.

    Asks the operating system for the high-water mark of resident memory, which Linux can reset;
    elsewhere the answer is ``nan``. Memory that the process holds already and uses again does not
    count, so the call should need tens of megabytes for the answer to mean something. A GPU's
    memory is not seen.

    >>> X = torch.ones(10_000_000)  # of 4 bytes each
    >>> grown = resident_bytes(lambda: X + 1)
    >>> math.isnan(grown) or 0.9 < grown / 40e6 < 1.1
    True
    """
    if sys.platform != "linux":
        return math.nan
    _give_back_free_memory()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:  # a system that forbids it
        return math.nan
    before = _memory_line("VmRSS")
    f()
    return _memory_line("VmHWM") - before


def _give_back_free_memory() -> None:
    """What was freed goes back to the operating system, as far as the C library can do it."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # another C library than GNU's
        ctypes.CDLL(None).malloc_trim(0)


def _memory_line(name: str) -> int:
    """A line of what Linux says about this process, in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {name}")


def saved_bytes(f: Callable[[], object]) -> int:
    """The memory that a forward pass keeps for its backward pass, without the parameters.

    Autograd also keeps the weights, which are there anyway: leaves that require a gradient are not
    counted, and a tensor that is kept twice is counted once.

    >>> W = torch.ones(100, requires_grad=True)
    >>> saved_bytes(lambda: (2 * W).exp().sum())  # exp keeps its result, 100 numbers of 4 bytes
    400
    """
    kept: dict[int, int] = {}
    leaves: set[int] = set()

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        base = tensor if tensor._base is None else tensor._base
        if base.is_leaf and base.requires_grad:
            leaves.add(storage.data_ptr())
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = f()  # alive until the count is made, so that no address is used twice
    count = sum(size for address, size in kept.items() if address not in leaves)
    del result
    return count

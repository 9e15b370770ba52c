"""The training loop, once: forward, loss, backward, step, and a record of what happened."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from utils.progress import progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Loss = Callable[[Tensor, Tensor], Tensor]
Metric = Callable[[Tensor, Tensor], Tensor]
Schedule = Callable[[Optimizer, int], LRScheduler]


@runtime_checkable
class Batches(Protocol):
    """What `fit` trains on: a fresh pass over (inputs, targets) each time it is iterated."""

    def __iter__(self) -> Iterator[tuple[Any, Tensor]]: ...
    def __len__(self) -> int: ...


def accuracy(logits: Tensor, y: Tensor) -> Tensor:
    """The share of rows whose largest logit is the target's.

    The shapes are (batch, classes, ...) and (batch, ...).

    >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]]), torch.tensor([0, 1, 1]))
    tensor(0.6667)
    """
    return (logits.argmax(1) == y).float().mean()


@dataclass
class History:
    """What `fit` recorded, one entry an epoch; training time leaves out the evaluation."""

    seconds: list[float] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_metric: list[float] = field(default_factory=list)
    metric_name: str = "accuracy"

    def plot(self, against: str = "epoch", ax: "Axes | None" = None, label: str = "") -> "Axes":
        """Draw the test metric (or, without a test set, the training loss).

        Args:
            against: ``epoch`` or ``seconds`` of training.
            ax: the axes to draw on; new ones if None.
            label: the model's name, for the legend.

        Raises:
            ValueError: ``against`` is neither ``epoch`` nor ``seconds``.
        """
        from utils.plotting import curves

        if against not in ("epoch", "seconds"):
            raise ValueError(f"A history is drawn against 'epoch' or 'seconds', not {against!r}.")
        x = self.seconds if against == "seconds" else list(range(1, len(self.seconds) + 1))
        values, name = self.train_loss, "training loss"
        if self.test_metric:
            values, name = self.test_metric, f"test {self.metric_name}"
        xlabel = "training time (s)" if against == "seconds" else "epoch"
        ax = curves(x, {label: values}, xlabel=xlabel, ylabel=name, marker="o", ax=ax)
        if label:
            ax.legend()
        return ax

    def __str__(self) -> str:
        text = f"{len(self.seconds)} epochs in {self.seconds[-1]:.1f} s, "
        text += f"training loss {self.train_loss[-1]:.3f}"
        if self.test_metric:
            text += f", test loss {self.test_loss[-1]:.3f}"
            text += f", test {self.metric_name} {self.test_metric[-1]:.3f}"
        return text


def _forward(model: nn.Module, inputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def _device_of(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def _precision(device: torch.device, amp: bool | None) -> torch.dtype | None:
    """bfloat16 where the GPU has it, else float16; None for full precision."""
    if amp is None:
        amp = device.type == "cuda"
    if not amp:
        return None
    half = device.type == "cuda" and not torch.cuda.is_bf16_supported()
    return torch.float16 if half else torch.bfloat16


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[Any, Tensor]],
    loss: Loss = F.cross_entropy,
    metric: Metric = accuracy,
) -> tuple[float, float]:
    """Mean loss and metric over all rows, in evaluation mode; the model's mode is put back.

    ``loss`` and ``metric`` give the mean of a batch; the results are means over rows, not batches.

    >>> batches = [(torch.eye(2), torch.tensor([0, 1])), (torch.eye(2)[:1], torch.tensor([1]))]
    >>> loss, share = evaluate(nn.Identity(), batches)
    >>> round(loss, 3), round(share, 3)
    (0.647, 0.667)

    Raises:
        ValueError: there is not a single batch.
    """
    was_training = model.training
    model.eval()
    total, sums = 0, torch.zeros(2, device=_device_of(model))
    for inputs, y in batches:
        output = _forward(model, inputs)
        sums += len(y) * torch.stack([loss(output, y), metric(output, y)]).to(sums)
        total += len(y)
    model.train(was_training)
    if not total:
        raise ValueError("There is nothing to evaluate on: the batches are empty.")
    mean_loss, mean_metric = (sums / total).tolist()
    return mean_loss, mean_metric


def fit(
    model: nn.Module,
    batches: Batches,
    optimizer: Optimizer,
    *,
    epochs: int,
    loss: Loss = F.cross_entropy,
    metric: Metric = accuracy,
    test: Batches | None = None,
    schedule: Schedule | None = None,
    clip_norm: float | None = None,
    amp: bool | None = None,
    after_step: Callable[[int], None] | None = None,
) -> History:
    """Train a model: for each batch, forward, loss, backward, step.

    >>> model = nn.Linear(2, 1)
    >>> data = [(torch.eye(2), torch.tensor([[1.0], [3.0]]))]
    >>> history = fit(model, data, torch.optim.Adam(model.parameters(), 0.1), epochs=200,
    ...               loss=F.mse_loss)
    >>> len(history.train_loss), history.train_loss[-1] < 1e-3
    (200, True)

    Args:
        model: called on the inputs of each batch; it is on the device already.
        batches: a fresh pass over (inputs, targets) each time it is iterated.
        optimizer: holds the model's parameters.
        epochs: passes over the batches.
        loss: (output, target) → mean loss of the batch.
        metric: (output, target) → mean metric of the batch, for the test batches.
        test: batches to evaluate on after each epoch.
        schedule: (optimizer, total number of steps) → a PyTorch scheduler, stepped every batch.
        clip_norm: the largest norm of all gradients together (Pascanu et al., 2013).
        amp: mixed precision; None uses it where it helps, that is on CUDA.
        after_step: called with the number of each finished step, for measurements.

    Raises:
        ValueError: there is nothing to train on.
        FloatingPointError: the loss became NaN or infinite.
    """
    if epochs < 1 or not len(batches):
        raise ValueError(f"Nothing to train on: {epochs} epochs of {len(batches)} batches.")
    device = _device_of(model)
    precision = _precision(device, amp)
    scaler = torch.amp.GradScaler(device.type, enabled=precision is torch.float16)
    scheduler = schedule(optimizer, epochs * len(batches)) if schedule else None
    history = History(metric_name=getattr(metric, "__name__", "metric"))
    spent, step = 0.0, 0

    for epoch in range(epochs):
        model.train()
        started, total, running = time.perf_counter(), 0, torch.zeros((), device=device)
        for inputs, y in progress(batches, f"epoch {epoch + 1}/{epochs}"):
            optimizer.zero_grad()
            with torch.autocast(device.type, dtype=precision, enabled=precision is not None):
                batch_loss = loss(_forward(model, inputs), y)
            scaler.scale(batch_loss).backward()
            if clip_norm is not None:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
            scaler.step(optimizer)
            scaler.update()
            if scheduler is not None:
                scheduler.step()
            running += len(y) * batch_loss.detach()
            total, step = total + len(y), step + 1
            if after_step is not None:
                after_step(step)
        mean_loss = running.item() / total  # .item() waits for the device: the time is honest
        spent += time.perf_counter() - started
        if mean_loss != mean_loss or abs(mean_loss) == float("inf"):
            raise FloatingPointError(
                f"The training loss is {mean_loss} after epoch {epoch + 1}: "
                "try a smaller learning rate, or clip the gradients."
            )
        history.seconds.append(spent)
        history.train_loss.append(mean_loss)
        if test is not None:
            test_loss, test_metric = evaluate(model, test, loss, metric)
            history.test_loss.append(test_loss)
            history.test_metric.append(test_metric)
    return history

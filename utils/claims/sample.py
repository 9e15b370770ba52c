"""Repeated measurements of one number, with the interval of their mean."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from utils.seed import seed_everything, seeds


@dataclass(frozen=True)
class Sample:
    """Repeated measurements of one number, with their mean and its 95 % interval.

    The interval is Student's: mean ± t · s / √n. A comparison with a number holds only if it holds
    for the *whole* interval, so ``not (s > 0)`` does not mean ``s < 0``: it may be unclear.

    Ratios vary by factors, not by amounts: with ``geometric``, mean and interval are taken of the
    logarithms (the geometric mean), so that one slow run does not outweigh the others.

    >>> Sample((0.9, 1.0, 1.1), of="seeds")
    1.00 [0.75, 1.25], n = 3 seeds
    """

    values: tuple[float, ...]
    of: str  # what the repetitions are: seeds, passages of text, timings
    geometric: bool = False

    def __post_init__(self) -> None:
        if len(self.values) < 3:
            raise ValueError(f"An interval needs at least 3 repetitions, got {len(self.values)}.")
        if not all(math.isfinite(v) for v in self.values):
            raise ValueError(f"A repetition is not a finite number: {self.values}.")
        if self.geometric and min(self.values) <= 0:
            raise ValueError(f"A geometric mean needs positive numbers, got {min(self.values)}.")

    @property
    def n(self) -> int:
        """How many repetitions."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """The mean of the repetitions (geometric, if so asked)."""
        return self.interval()[1]

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval of the mean."""
        return self.interval()[0]

    @property
    def high(self) -> float:
        """The upper end of the 95 % interval of the mean."""
        return self.interval()[2]

    def interval(self) -> tuple[float, float, float]:
        """Lower end, mean and upper end."""
        from scipy.special import stdtrit  # the quantile of Student's t

        values = [math.log(v) for v in self.values] if self.geometric else self.values
        mean = sum(values) / self.n
        variance = sum((v - mean) ** 2 for v in values) / (self.n - 1)
        reach = float(stdtrit(self.n - 1, 0.975)) * math.sqrt(variance / self.n)
        ends = mean - reach, mean, mean + reach
        low, mean, high = (math.exp(x) if self.geometric else x for x in ends)
        return low, mean, high

    def __gt__(self, bound: float) -> bool:
        return self.low > bound

    def __lt__(self, bound: float) -> bool:
        return self.high < bound

    def within(self, low: float, high: float) -> bool:
        """Whether the whole interval lies between ``low`` and ``high``."""
        return self > low and self < high

    def __repr__(self) -> str:
        return f"{self.numbers()}, n = {self.n} {self.of}".strip()

    def numbers(self, unit: str = "") -> str:
        """The mean with its unit, and the interval."""
        mean, low, high = alike(self.mean, self.low, self.high)
        return f"{mean} {unit}".strip() + f" [{low}, {high}]"


def alike(*numbers: float) -> tuple[str, ...]:
    """Format numbers to the same place: three significant digits of the largest of them.

    >>> alike(0.1234, 12.34)
    ('0.1', '12.3')
    """
    top = max(abs(x) for x in numbers)
    if top == 0:
        return tuple("0" for _ in numbers)
    if not 1e-3 <= top < 1e5:
        return tuple(f"{x:.2e}" for x in numbers)
    places = max(0, 2 - math.floor(math.log10(top)))
    return tuple(f"{x:.{places}f}" for x in numbers)


def over_seeds(experiment: Callable[[int], float], n: int = 5, geometric: bool = False) -> Sample:
    """Repeat an experiment, each time with another seed of `utils.seed.seeds`.

    Args:
        experiment: takes a seed and measures a number; Python, NumPy and PyTorch are seeded before.
        n: how many seeds.
        geometric: for ratios: mean and interval of the logarithms.

    Raises:
        ValueError: fewer than three seeds, a number that is not finite, or the same number (other
            than 0) each time: then nothing was repeated.
    """
    values = []
    for seed in seeds(n):
        seed_everything(seed)
        values.append(float(experiment(seed)))
    return repeated(values, "seeds", geometric)


def repeated(values: list[float], of: str, geometric: bool = False) -> Sample:
    """A sample whose values differ, as those of an experiment that was really repeated do."""
    sample = Sample(tuple(values), of, geometric)
    if len(set(values)) == 1 and values[0] != 0:
        raise ValueError(
            f"All {len(values)} {of} measured exactly {values[0]}: the experiment does not use "
            "its seed, so it was not repeated. A fact without chance is a check, not a trial."
        )
    return sample

"""Claims on trial: a sentence, an experiment, a verdict that must agree with the record.

The one source of every claim is ``chapters/claims.yml``. A notebook opens a trial by the claim's
name, lays its measurements before it, and states the rule by which each verdict would be reached::

    with trial("reverse-mode-is-cheap") as t:
        ratio = over_seeds(measure, seeds=5)
        t.evidence("time of d forward passes over one reverse pass", ratio, unit="×")
        t.supported(if_=ratio > 20, rule="the whole interval lies above 20")
        t.refuted(if_=ratio < 20, rule="the whole interval lies below 20")

The first rule that holds decides. A trial that ends without a verdict, or with another than the
recorded one, raises `ClaimError`.
"""

import html
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Literal

import yaml

from utils.errors import unknown
from utils.paths import claims_file

Verdict = Literal["supported", "refuted", "depends"]
VERDICTS: tuple[Verdict, ...] = ("supported", "refuted", "depends")

# Okabe and Ito's colours; a symbol beside each, because colour alone tells some readers nothing.
COLOURS = {"supported": "#009e73", "refuted": "#d55e00", "depends": "#0072b2"}
SYMBOLS = {"supported": "✓", "refuted": "✗", "depends": "◐"}


class ClaimError(AssertionError):
    """An experiment did not decide its claim, or decided it otherwise than recorded."""


@dataclass(frozen=True)
class Claim:
    """One sentence that people repeat, as ``chapters/claims.yml`` records it."""

    id: str
    part: str
    page: str
    statement: str
    verdict: Verdict
    correction: str | None = None
    zh: str | None = None
    source: str = "folklore"


@cache
def load_claims() -> dict[str, Claim]:
    """All claims of the book by id, in the order of the file.

    Raises:
        ValueError: an entry of ``chapters/claims.yml`` is malformed, or an id stands twice.
    """
    claims: dict[str, Claim] = {}
    for entry in yaml.safe_load(claims_file().read_text(encoding="utf-8")):
        name = f"claims.yml, entry {entry.get('id', entry)!r}"
        if entry.get("verdict") not in VERDICTS:
            raise ValueError(f"{name}: the verdict {entry.get('verdict')!r} is none of {VERDICTS}.")
        try:
            claim = Claim(**entry)
        except TypeError as error:
            raise ValueError(f"{name}: {error}") from None
        if (claim.correction is None) != (claim.verdict == "supported"):
            raise ValueError(f"{name}: a correction belongs to refuted and depends, only.")
        if claim.id in claims:
            raise ValueError(f"claims.yml: the id {claim.id!r} stands twice.")
        claims[claim.id] = claim
    return claims


@dataclass(frozen=True)
class Sample:
    """Repeated measurements of one number, with their mean and its 95 % interval.

    The interval is Student's: mean ± t · s / √n. A comparison with a number holds only if it holds
    for the *whole* interval, so ``not (s > 0)`` does not mean ``s < 0``: it may be undecided.

    Ratios vary by factors, not by amounts: with ``geometric``, mean and interval are taken of the
    logarithms (the geometric mean), so that one slow run does not outweigh the others.
    """

    values: tuple[float, ...]
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
        return self._interval()[1]

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval of the mean."""
        return self._interval()[0]

    @property
    def high(self) -> float:
        """The upper end of the 95 % interval of the mean."""
        return self._interval()[2]

    def _interval(self) -> tuple[float, float, float]:
        """Lower end, mean and upper end."""
        from scipy.special import stdtrit  # the quantile of Student's t

        values = [math.log(v) for v in self.values] if self.geometric else self.values
        mean = sum(values) / self.n
        variance = sum((v - mean) ** 2 for v in values) / (self.n - 1)
        margin = float(stdtrit(self.n - 1, 0.975)) * math.sqrt(variance / self.n)
        ends = mean - margin, mean, mean + margin
        low, mean, high = (math.exp(x) if self.geometric else x for x in ends)
        return low, mean, high

    def __gt__(self, bound: float) -> bool:
        return self.low > bound

    def __lt__(self, bound: float) -> bool:
        return self.high < bound

    def within(self, low: float, high: float) -> bool:
        """Whether the whole interval lies between ``low`` and ``high``."""
        return self > low and self < high

    def __str__(self) -> str:
        return self.in_units("")

    def in_units(self, unit: str) -> str:
        """The mean with its unit, the interval, and how many repetitions."""
        mean, low, high = _alike(self.mean, self.low, self.high)
        return f"{mean} {unit}".strip() + f" [{low}, {high}], n = {self.n}"


def _alike(*numbers: float) -> tuple[str, ...]:
    """Format numbers to the same place: three significant digits of the largest of them."""
    top = max(abs(x) for x in numbers)
    if top == 0:
        return tuple("0" for _ in numbers)
    if not 1e-3 <= top < 1e5:
        return tuple(f"{x:.2e}" for x in numbers)
    places = max(0, 2 - math.floor(math.log10(top)))
    return tuple(f"{x:.{places}f}" for x in numbers)


def over_seeds(
    experiment: Callable[[int], float], seeds: int | Iterable[int] = 5, geometric: bool = False
) -> Sample:
    """Repeat an experiment, each time with another seed.

    Args:
        experiment: takes a seed, returns the number that it measured. PyTorch, NumPy and Python
            are seeded with it before each call.
        seeds: the seeds, or how many of them (0, 1, …).
        geometric: for ratios: take mean and interval of the logarithms.

    Returns:
        The measurements as a `Sample`: mean and 95 % interval built in.

    Raises:
        ValueError: fewer than three repetitions, or one that is not a finite number.
    """
    from utils.seed import seed_everything

    values = []
    for seed in range(seeds) if isinstance(seeds, int) else seeds:
        seed_everything(seed)
        values.append(float(experiment(seed)))
    return Sample(tuple(values), geometric)


@dataclass
class Trial:
    """What `trial` hands to the experiment: it takes evidence and rules, and shows the card."""

    claim: Claim
    measured: list[tuple[str, str]] = field(default_factory=list)
    verdict: Verdict | None = None
    rule: str = ""
    rules_tried: list[str] = field(default_factory=list)

    def evidence(self, what: str, value: object, unit: str = "") -> None:
        """Lay a measurement before the trial.

        Args:
            what: what was measured, in words.
            value: a `Sample`, a number, yes or no, or text.
            unit: the unit of the value, if it has one.
        """
        if isinstance(value, bool):
            value = "yes" if value else "no"
        if isinstance(value, Sample):
            text = value.in_units(unit)
        else:
            number = _alike(value)[0] if isinstance(value, float) else str(value)
            text = f"{number} {unit}".strip()
        self.measured.append((what, text))

    def _decide(self, verdict: Verdict, if_: bool, rule: str) -> None:
        self.rules_tried.append(f"{verdict} if {rule}")
        if bool(if_) and self.verdict is None:
            self.verdict, self.rule = verdict, rule

    def supported(self, if_: bool, rule: str) -> None:
        """The claim is supported if this rule holds (and no earlier one did)."""
        self._decide("supported", if_, rule)

    def refuted(self, if_: bool, rule: str) -> None:
        """The claim is refuted if this rule holds (and no earlier one did)."""
        self._decide("refuted", if_, rule)

    def depends(self, if_: bool, rule: str) -> None:
        """The claim depends on its circumstances if this rule holds (and no earlier one did)."""
        self._decide("depends", if_, rule)

    def __enter__(self) -> "Trial":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            return
        if self.verdict != self.claim.verdict:
            raise ClaimError(self._disagreement())
        from IPython.display import display

        display({"text/plain": self.as_text(), "text/html": self.as_html()}, raw=True)

    def _disagreement(self) -> str:
        reached = self.verdict or "undecided (no rule held)"
        lines = [
            f"The trial of {self.claim.id!r} came out {reached}; "
            f"chapters/claims.yml records {self.claim.verdict}.",
            f"  claim: {self.claim.statement}",
            *(f"  measured: {what}: {value}" for what, value in self.measured),
            *(f"  rule: {rule}" for rule in self.rules_tried),
        ]
        return "\n".join(lines)

    def as_text(self) -> str:
        """The card for a terminal. Lines that begin with "  · " differ between machines."""
        claim = self.claim
        lines = [
            f"{SYMBOLS[claim.verdict]} {claim.verdict.upper()}: {claim.statement}",
            *(f"  · {what}: {value}" for what, value in self.measured),
            f"  decided by: {self.rule}",
        ]
        if claim.correction:
            lines.append(f"  rather: {claim.correction}")
        return "\n".join(lines)

    def as_html(self) -> str:
        """The card for a page. Styles stand inline, so that it looks right wherever it is shown."""
        claim, colour = self.claim, COLOURS[self.claim.verdict]
        rows = "".join(
            '<li style="margin:.15em 0">'
            f'{html.escape(what)}: <strong class="measured">{html.escape(value)}</strong></li>'
            for what, value in self.measured
        )
        rather = ""
        if claim.correction:
            right = _inline(claim.correction)
            rather = f'<p style="margin:.6em 0 0"><strong>Rather:</strong> {right}</p>'
        return (
            f'<div class="claim-card claim-{claim.verdict}" id="trial-{claim.id}" '
            f'style="border:1px solid rgba(127,127,127,.35);border-left:6px solid {colour};'
            'border-radius:6px;padding:.8em 1.1em;margin:.5em 0;max-width:46em;line-height:1.5">'
            '<p style="margin:0 0 .4em;font-size:.85em;letter-spacing:.04em">'
            f'<span style="background:{colour};border-radius:3px;padding:.1em .3em" '
            'aria-hidden="true">'
            f'<span style="color:#000">{SYMBOLS[claim.verdict]}</span></span> '
            f"<strong>{claim.verdict.upper()}</strong></p>"
            f'<p style="margin:0;font-size:1.08em"><em>{_inline(claim.statement)}</em></p>'
            f'<ul style="margin:.6em 0 .4em;padding-left:1.2em">{rows}</ul>'
            f'<p style="margin:0">Decided by: {_inline(self.rule)}.</p>{rather}</div>'
        )


def _inline(text: str) -> str:
    """Escape a sentence for HTML, with `code` in backquotes set as code."""
    parts = html.escape(text, quote=False).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))


def trial(claim_id: str) -> Trial:
    """Open the trial of a claim (use it in a ``with`` statement).

    Args:
        claim_id: the claim's id in ``chapters/claims.yml``.

    Returns:
        The `Trial`; on leaving the ``with`` block it shows the verdict's card.

    Raises:
        ValueError: there is no such claim; the message lists those that look like it.
        ClaimError: on leaving the block, if no rule held or the verdict is not the recorded one.
    """
    claims = load_claims()
    if claim_id not in claims:
        raise ValueError(unknown("claim", claim_id, claims))
    return Trial(claims[claim_id])
